"""What the values of an item mean: money, sales, availability, texts."""
