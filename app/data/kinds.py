"""The kinds of events and the signals, by the numbers that stand in stored events and in models."""

from enum import IntEnum


class Kind(IntEnum):
    """What a person did to an item, weakest first; the numbers stand in stored events and in models.

    What stands below zero is counted and belongs to visits, carts and orders, but is no part of a history and carries no weight.
    """

    LOW_RATING = -6
    RETURN = -5
    ORDER_CANCEL = -4
    CART_CLEAR = -3
    CART_REMOVE = -2
    PAGE = -1
    NONE = 0
    IMPRESSION = 1
    CLICK = 2
    VIEW = 3
    WISHLIST = 4
    CART = 5
    RATING = 6
    PURCHASE = 7


KIND_NAMES: dict[str, Kind] = {kind.name.lower(): kind for kind in Kind}


class Signal(IntEnum):
    """Signals by the number that stands in stored events; from `IMPRESSION` on they are acts of the person.

    `SERVE` and `CONVERSION` are counted from serves and attributed orders, no event carries them.
    """

    SENT = 1
    DELIVERED = 2
    BOUNCE = 3
    COMPLAINT = 4
    UNSUBSCRIBE = 5
    SERVE = 6
    CONVERSION = 7
    IMPRESSION = 8
    OPEN = 9
    CLICK = 10
