"""What an event is: kinds, one shape for every source, and the hashes that stand for ids."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from app.data.events.marks import Client, Mark


class Kind(IntEnum):
    """What a person did to an item, weakest first; the numbers stand in stored events and in models.

    What stands below zero is counted and belongs to visits and carts, but is no part of a history and carries no weight.
    """

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


@dataclass(frozen=True, slots=True)
class About:
    """What makes an event a signal; `recommendation_id` is 16 bytes, `mark` says why a machine is behind it."""

    signal: Signal
    recommendation_id: bytes | None = None
    campaign: str | None = None
    placement: str | None = None
    client: Client | None = None
    mark: Mark | None = None


@dataclass(slots=True)
class Event:
    """One thing that happened to one item (or to none), whatever source told it.

    `identities` are pairs of `IdentityKind` and value, the strongest first: the event is that id's, and the others are the same person.
    `former` are ids that the first one had before, as an alias says. `message_id` (16 bytes) is what streams and
    files are de-duplicated on; the rows of one message share it. `quantity` is a number of pieces, a rating or minutes;
    `value` the price of one piece. `payload` is the source's own text of the event. `about` makes it a signal. `on_site` says that
    the person was on a page or in an app when it happened: such events make visits.
    """

    occurred_at: datetime
    message_id: bytes
    identities: tuple[tuple[int, str], ...]
    kind: Kind = Kind.NONE
    name: str = ""
    item_id: str | None = None
    order_id: str | None = None
    quantity: float | None = None
    value: float | None = None
    country: str | None = None
    payload: bytes | None = None
    traits: dict[str, object] | None = None
    about: About | None = None
    on_site: bool = False
    former: tuple[tuple[int, str], ...] = ()


def message_key(text: str) -> bytes:
    """Return the 16 bytes that stand for a message id."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, person=b"morsel-message").digest()


def order_key(tenant: int, order_id: str) -> int:
    """Return the signed 64-bit number that stands for an order id."""
    text = f"{tenant}\0{order_id}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8, person=b"morsel-order").digest(), "little", signed=True)
