"""Finds chat templates and renders them in a separate process."""
