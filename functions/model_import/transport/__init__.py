"""HTTP without opinions: connection pools, one response, retries."""
