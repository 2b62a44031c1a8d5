"""The findings of preflight, and the catalogue of their codes."""
