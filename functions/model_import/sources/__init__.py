"""The sources of model files."""
