"""Floor 3: what we learn."""
