"""What a transfer starts from: small files, the manifest, slices and their sizes."""
