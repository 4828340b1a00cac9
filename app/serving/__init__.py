"""Floor 4: the fast path."""
