"""What AWS asks of a caller, whatever it calls: owners, secrets, records, events."""
