"""What Bedrock accepts, as data, and what it says of an account."""
