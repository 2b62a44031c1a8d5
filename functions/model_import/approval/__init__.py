"""A person's word on an import before anything is moved."""
