"""Floor 5: the generated shop and its page."""
