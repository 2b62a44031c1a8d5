"""Builds the transfer image for the stack that it belongs to."""
