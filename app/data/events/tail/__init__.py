"""The newest events, read backwards, and what among them nobody knew: for those who look."""
