"""A Hub that serves a folder, and refuses the same requests as the Hub."""
