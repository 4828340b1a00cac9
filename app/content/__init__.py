"""Floor 3: what an answer looks like."""
