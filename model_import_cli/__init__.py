"""The `model-import` command, which a person runs in a terminal."""
