"""Pages of system."""
