"""Blend: several recommenders as one graph."""
