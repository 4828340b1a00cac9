"""Blocks with several parts: what each starts from, and its own climb."""
