"""All that is known of one item, for people: where it was shown, who bought it, what blocks it."""
