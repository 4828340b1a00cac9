"""Files people hand in: their rows, reading ahead, and what is told about them."""
