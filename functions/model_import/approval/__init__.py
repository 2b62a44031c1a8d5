"""Approval of an import by a person, before any weights are transferred."""
