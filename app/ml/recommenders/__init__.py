"""Recommenders, one folder each."""
