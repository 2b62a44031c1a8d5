"""One commit, one import."""
