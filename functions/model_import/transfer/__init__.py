"""From the source to the staging bucket: one slice of a model in one task."""
