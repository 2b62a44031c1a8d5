"""Ensures that a commit is imported only once."""
