"""Floor 3: what we want shown."""
