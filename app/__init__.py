"""Morsel: personal content at the moment it is shown."""
