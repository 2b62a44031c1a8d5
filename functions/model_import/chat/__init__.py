"""Chat templates: found, judged and rendered in a process of their own."""
