"""What a handler gets from the stack: its clients and settings."""
