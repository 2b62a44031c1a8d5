"""The verdict on a repository, from its metadata and the headers of its weights alone."""
