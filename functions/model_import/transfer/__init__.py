"""Moves one slice of a model from its source to the staging bucket, in one task."""
