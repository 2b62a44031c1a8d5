"""The `model-import` command: what a person runs from a laptop."""
