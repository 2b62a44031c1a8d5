"""From a release at the Hub to the start of an import, exactly once and under a policy."""
