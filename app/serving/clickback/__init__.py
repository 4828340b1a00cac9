"""Clicks and opens that come back."""
