"""Templates: versioned Liquid documents, each a frame and an item card, as HTML and as text."""
