"""Offline measures of ranking quality."""
