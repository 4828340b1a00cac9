"""Item to item: what the same people did as well."""
