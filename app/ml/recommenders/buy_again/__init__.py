"""Buy again: what this person bought before."""
