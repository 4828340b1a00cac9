"""Catalogue: items, item groups, feeds in."""
