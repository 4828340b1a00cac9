"""The fast path, step by step."""
