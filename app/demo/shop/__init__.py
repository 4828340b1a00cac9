"""The generated shop: catalogue, people, pictures."""
