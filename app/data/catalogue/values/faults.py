"""The fault of a value or a document that cannot be read."""


class ItemRefused(ValueError):
    """A document is no item; the text says what to change."""
