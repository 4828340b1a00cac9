"""Pages of content."""
