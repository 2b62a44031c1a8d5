"""What an execution asks for: its input, the names and the tags that follow from it."""
