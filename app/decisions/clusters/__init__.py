"""Clusterings: which facts make people alike, as versioned documents, and what was found."""
