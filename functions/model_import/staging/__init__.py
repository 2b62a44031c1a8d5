"""The copy in S3: objects, uploads, checkpoints of hashes, verification."""
