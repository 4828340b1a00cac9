"""Parts of pages that are worked out before they are drawn: forms, tables, differences."""
