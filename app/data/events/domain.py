"""What an event is: kinds, one shape for every source, and the hashes that stand for ids."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from app.data.events.machines import Client, Mark
from app.data.kinds import Kind, Signal

WITHOUT_ITEM = frozenset({Kind.PAGE, Kind.NONE, Kind.CART_CLEAR, Kind.ORDER_CANCEL})
"""What counts without an item."""

# looked up once: a member of an enumeration costs ten times a name of the module
_RETURN, _RATING, _PURCHASE, _LOW = Kind.RETURN, Kind.RATING, Kind.PURCHASE, Kind.LOW_RATING
USUAL_SCALE = 5.0
"""The best rating where nobody tells another."""


def settled(kind: Kind, quantity: float | None, best: float = USUAL_SCALE) -> tuple[Kind, float | None]:
    """Return what kind an event really is, and its quantity: a negative purchase is a return, a rating below the middle lifts nothing.

    `best` is the best rating of the sender's scale, whose worst is 1; a rating above it is of a larger scale.
    """
    if quantity is None:
        return kind, 1.0 if kind is _RETURN else None
    if kind is _RETURN or (kind is _PURCHASE and quantity < 0):
        return _RETURN, abs(quantity)
    if kind is _RATING:
        while quantity > best:
            best *= 10 if best > USUAL_SCALE else 2
        if quantity < (1 + best) / 2:
            return _LOW, quantity
    return kind, quantity


class Flaw(NamedTuple):
    """Something of an event that could not be used though the event was stored: `what` for counting, `text` for the sender."""

    what: str
    text: str


class Refused(ValueError):
    """Something cannot be stored as an event; the text says why."""


@dataclass(frozen=True)
class Arrival:
    """When a call came, how far its sender's clock is off, and whether the sender may name only anonymous people.

    `gpc` says that the browser that sent it signals Global Privacy Control. `spare_id` is the id of a message that has none
    of its own; empty where it came just now.
    """

    received: datetime
    skew: timedelta = timedelta()
    anonymous_only: bool = False
    spare_id: str = ""
    gpc: bool = False


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
    the person was on a page or in an app when it happened: such events make visits. `others` are ids to try where the catalogue does
    not know `item_id`; `flaws` are told to the sender. `currency` is that of `value`, empty where nobody told it. `public` says that
    it came by a public key, which anybody can read: it weighs nothing for others. `purposes` is what it says of consent, by purpose, and
    `gpc` that the browser signals Global Privacy Control.
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
    others: tuple[str, ...] = ()
    currency: str = ""
    flaws: tuple[Flaw, ...] = ()
    public: bool = False
    purposes: dict[str, bool] | None = None
    gpc: bool = False


def message_key(text: str, *, public: bool = False) -> bytes:
    """Return the 16 bytes that stand for a message id; those of public keys are apart, so that none takes an id from the shop's own."""
    whose = b"morsel-public" if public else b"morsel-message"
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, person=whose).digest()


def order_key(tenant: int, order_id: str) -> int:
    """Return the signed 64-bit number that stands for an order id."""
    text = f"{tenant}\0{order_id}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8, person=b"morsel-order").digest(), "little", signed=True)
