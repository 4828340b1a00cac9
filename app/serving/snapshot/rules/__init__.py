"""Rules over the picture of a tenant: facts of its items, and the program of each placement."""
