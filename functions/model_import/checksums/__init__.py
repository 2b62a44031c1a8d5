"""CRC-64/NVME and SHA-256 of parts and files."""
