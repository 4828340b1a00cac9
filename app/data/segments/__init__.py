"""Segments: who is in them, by a condition or a list, kept right by events and by the passing of time."""
