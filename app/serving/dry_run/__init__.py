"""Dry runs: what a draft would change for a sample of real people, before it is published."""
