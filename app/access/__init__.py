"""Floor 1: who may call, and how often."""
