"""What callers of several AWS services share: bucket owner, errors, secrets, records, events."""
