"""What an import will take and cost, computed before it starts."""
