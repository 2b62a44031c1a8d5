"""What people are told of imports and releases, and how it reaches them."""
