"""The input of an execution, and the names and tags that are derived from it."""
