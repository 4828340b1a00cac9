"""Rules on the fast path: what acts on a call, and how it is told."""
