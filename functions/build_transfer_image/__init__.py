"""Builds the transfer image of its stack."""
