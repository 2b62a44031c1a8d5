"""What preflight can find: each code with its severity, its meaning and its remedy."""
