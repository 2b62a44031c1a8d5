"""The clients and settings of the handlers."""
