"""A Hub that serves a folder, and refuses what the Hub refuses."""
