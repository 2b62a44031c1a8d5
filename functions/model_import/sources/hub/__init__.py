"""A repository on the Hugging Face Hub: its snapshot, its files, its token."""
