"""The copy in S3: objects, uploads, checkpoints, checks."""
