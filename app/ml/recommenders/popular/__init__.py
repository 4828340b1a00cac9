"""Popular: what many people did lately, the same for everyone."""
