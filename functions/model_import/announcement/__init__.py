"""Announcements of imports and releases, and how they are published."""
