"""HTTP for the Hub and for S3: connection pools, responses, retries."""
