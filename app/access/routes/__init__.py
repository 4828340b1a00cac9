"""The HTTP routes of access."""
