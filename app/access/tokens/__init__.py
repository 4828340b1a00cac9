"""What callers prove themselves with: access tokens, keys, and the keys that sign."""
