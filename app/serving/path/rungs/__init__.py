"""The rungs of the ladder: each gives items in its own way, and `order.py` lists them from the highest to the lowest."""
