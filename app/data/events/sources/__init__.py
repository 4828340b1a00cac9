"""Ways in for events, one file each."""
