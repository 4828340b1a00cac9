"""From an outcome to the bytes of an answer."""

# Braze reads answers of up to 1 MB; the rest is for what stands around the items
LARGEST_ITEMS = 950_000
