"""Rules: what marketing wants of which items, for whom and when; a document each, compiled to one program a placement."""
