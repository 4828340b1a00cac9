"""Segment's tracking messages, read as events: their names, products and times. Pure."""

import hashlib
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import orjson

from app.core.ids import IdentityKind
from app.data.events import signals
from app.data.events.domain import Event, Kind, message_key
from app.data.events.times import parse_moment
from app.data.people.domain import Identity, email_identity, id_fault

LARGEST_EVENT = 32_768
LARGEST_AMOUNT = 1e9
TYPES = frozenset({"track", "identify", "page", "screen", "group", "alias"})

# Segment's commerce names, those of its first version, and GA4's, in lower case with single spaces.
KINDS: dict[str, Kind] = {
    "product list viewed": Kind.IMPRESSION,
    "product impression": Kind.IMPRESSION,
    "product clicked": Kind.CLICK,
    "clicked product": Kind.CLICK,
    "product viewed": Kind.VIEW,
    "viewed product": Kind.VIEW,
    "product added to wishlist": Kind.WISHLIST,
    "added product to wishlist": Kind.WISHLIST,
    "product added": Kind.CART,
    "added product": Kind.CART,
    "wishlist product added to cart": Kind.CART,
    "product reviewed": Kind.RATING,
    "reviewed product": Kind.RATING,
    "product removed": Kind.CART_REMOVE,
    "removed product": Kind.CART_REMOVE,
    # Segment has no name for it; these are what shops use
    "cart cleared": Kind.CART_CLEAR,
    "cart emptied": Kind.CART_CLEAR,
    "cleared cart": Kind.CART_CLEAR,
    "clear cart": Kind.CART_CLEAR,
    "empty cart": Kind.CART_CLEAR,
    "order completed": Kind.PURCHASE,
    "completed order": Kind.PURCHASE,
    # GA4
    "view item list": Kind.IMPRESSION,
    "select item": Kind.CLICK,
    "view item": Kind.VIEW,
    "add to wishlist": Kind.WISHLIST,
    "add to cart": Kind.CART,
    "remove from cart": Kind.CART_REMOVE,
    "purchase": Kind.PURCHASE,
}
_ORDER_FIELDS = ("order_id", "orderId", "transaction_id")
_RATED, _PIECES, _PRICE = ("rating",), ("quantity",), ("price", "value")
_ITEM_FIELDS = ("product_id", "productId", "item_id", "id", "sku")
_USER_ID, _ANONYMOUS_ID = int(IdentityKind.USER_ID), int(IdentityKind.ANONYMOUS_ID)
# looked up once: a member of an enumeration costs ten times a name of the module
_NONE, _PAGE, _RATING = Kind.NONE, Kind.PAGE, Kind.RATING
_SEPARATORS = re.compile(r"[\s_\-]+")
_SEEN_PAGES = frozenset({"page", "screen"})
# Told by whoever sends letters, not by a page, even if they name an anonymous id.
_LETTERS = re.compile(r"(e ?mail|sms|push notification)\b")


class Refused(ValueError):
    """An event cannot be stored; the text says why."""


@dataclass(frozen=True)
class Arrival:
    """When a batch came, how far its sender's clock is off, and whether the sender may name only anonymous people."""

    received: datetime
    skew: timedelta = timedelta()
    anonymous_only: bool = False


def arrival(body: Mapping[str, Any], received: datetime, *, anonymous_only: bool = False) -> Arrival:
    """Compare the sender's clock with ours; a few seconds are travel, not skew."""
    sent = parse_moment(body["sentAt"]) if body.get("sentAt") else None
    skew = received - sent if sent else timedelta()
    return Arrival(received, skew if abs(skew) > timedelta(seconds=5) else timedelta(), anonymous_only)


def read(message: Any, how: Arrival) -> list[Event]:
    """Return the events of one message, one a product; raises Refused."""
    if not isinstance(message, dict):
        raise Refused("the event is not an object")
    what = message.get("type")
    if not isinstance(what, str) or what not in TYPES:
        raise Refused("type is missing or unknown")
    payload = _payload(message)
    name = _name(message, what)
    kind = (kind_of(name) or _NONE) if what == "track" else _PAGE if what in _SEEN_PAGES else _NONE
    properties = _object(message, "properties")
    traits = _object(message, "traits") if what == "identify" else {}
    first = Event(
        occurred_at=_moment(message, how),
        message_id=message_key(_message_id(message)),
        identities=(ids := identities_of(message, how)),
        former=_former(message, ids, how) if what == "alias" else (),
        kind=kind,
        name=name,
        order_id=_text(properties, _ORDER_FIELDS),
        country=_country(message, traits),
        payload=payload,
        traits=traits,
        on_site=_on_site(message, what, name),
    )
    if what == "track":
        first.about = signals.about(name, kind, properties, message.get("context"), public=how.anonymous_only)
    return _products(first, properties)


def _payload(message: dict[str, Any]) -> bytes:
    try:
        payload = orjson.dumps(message)
    except TypeError:
        raise Refused("the event is nested too deeply") from None
    if len(payload) > LARGEST_EVENT:
        raise Refused(f"the event is larger than {LARGEST_EVENT} bytes")
    return payload


@lru_cache(maxsize=4096)
def kind_of(name: str) -> Kind | None:
    """Return the kind of a commerce event by its name, whatever its case and separators; None when unknown."""
    return KINDS.get(_SEPARATORS.sub(" ", name).strip().lower())


def _name(message: dict[str, Any], what: str) -> str:
    name = message.get("event") if what == "track" else what
    if not isinstance(name, str) or not name.strip():
        raise Refused("event is missing")
    if "\0" in name or len(name) > 200:
        raise Refused("event is longer than 200 characters or contains a NUL character")
    return name


def _on_site(message: dict[str, Any], what: str, name: str) -> bool:
    """Tell whether the person was on a page or in an app: it names an anonymous id or the page, which a shop's own servers do not."""
    if what != "track":
        return what in _SEEN_PAGES
    context = message.get("context")
    seen = isinstance(context, dict) and (isinstance(context.get("page"), dict) or isinstance(context.get("screen"), dict))
    return (seen or bool(message.get("anonymousId"))) and not _of_a_letter(name)


@lru_cache(maxsize=4096)
def _of_a_letter(name: str) -> bool:
    return bool(_LETTERS.match(_SEPARATORS.sub(" ", name).strip().lower()))


def _message_id(message: dict[str, Any]) -> str:
    given = message.get("messageId")
    if isinstance(given, (str, int)) and str(given):
        return str(given)
    if message.get("timestamp"):
        # without an id, the same content at the same moment is a retry
        return hashlib.sha256(orjson.dumps(message, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return uuid.uuid4().hex


def _moment(message: dict[str, Any], how: Arrival) -> datetime:
    given = message.get("timestamp")
    if given in (None, ""):
        return how.received
    moment = parse_moment(given)
    if moment is None:
        raise Refused("timestamp is not a date")
    return min(moment + how.skew, how.received)


def identities_of(message: dict[str, Any], how: Arrival) -> tuple[Identity, ...]:
    """Return who a message names, the strongest first; its e-mail address comes in between, but from those who may name users only.

    Raises Refused when there is none that can be used.
    """
    user, anonymous = _id(message, "userId"), _id(message, "anonymousId")
    if how.anonymous_only:
        user = None
    if user is None and anonymous is None:
        raise Refused(
            "anonymousId is missing, and this key may not name users" if how.anonymous_only else "userId or anonymousId is missing"
        )
    address = None if how.anonymous_only else _email(message)
    if anonymous is None and address is None:
        assert user is not None
        return ((_USER_ID, user),)
    named = (None if user is None else (_USER_ID, user), address, None if anonymous is None else (_ANONYMOUS_ID, anonymous))
    return tuple(one for one in named if one is not None)


def _former(message: dict[str, Any], ids: tuple[Identity, ...], how: Arrival) -> tuple[Identity, ...]:
    """Return the ids that a user had before: a previous id may be a user's or an anonymous one, and nobody tells which."""
    previous = _id(message, "previousId")
    if previous is None or how.anonymous_only or ids[0][0] != _USER_ID or previous == ids[0][1]:
        return ()
    return (_USER_ID, previous), (_ANONYMOUS_ID, previous)


def _id(message: dict[str, Any], field: str) -> str | None:
    given = message.get(field)
    if given is None or given == "" or isinstance(given, bool):
        return None
    if not isinstance(given, (str, int)):
        raise Refused(f"{field} is not a text")
    text = str(given)
    if fault := id_fault(text):
        raise Refused(f"{field} {fault}")
    return text


def _email(message: dict[str, Any]) -> Identity | None:
    context = message.get("context")
    for place in (message.get("traits"), context.get("traits") if isinstance(context, dict) else None, message.get("properties")):
        if isinstance(place, dict) and (found := email_identity(place.get("email"))) is not None:
            return found
    return None


def _products(first: Event, properties: dict[str, Any]) -> list[Event]:
    products = properties.get("products", properties.get("items"))
    listed = [product for product in products if isinstance(product, dict)] if isinstance(products, list) else []
    found = [_with(first, listed[0] if listed else properties)]
    for product in listed[1:]:
        # the first row carries what belongs to the whole message
        more = Event(first.occurred_at, first.message_id, first.identities, first.kind, first.name, order_id=first.order_id)
        more.on_site = first.on_site
        found.append(_with(more, product))
    return found


def _with(event: Event, product: dict[str, Any]) -> Event:
    event.item_id = _text(product, _ITEM_FIELDS)
    event.quantity = _number(product, _RATED if event.kind is _RATING else _PIECES)
    event.value = _number(product, _PRICE)
    return event


def _object(message: dict[str, Any], field: str) -> dict[str, Any]:
    value = message.get(field)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refused(f"{field} is not an object")
    if field == "traits" and b"\\u0000" in orjson.dumps(value):
        raise Refused("traits contain a NUL character")
    return value


def _text(values: dict[str, Any], fields: tuple[str, ...]) -> str | None:
    for field in fields:
        value = values.get(field)
        if value is None or isinstance(value, bool) or not isinstance(value, (str, int)):
            continue
        text = str(value)
        if text and not text.isspace():
            if "\0" in text or len(text) > 200:
                raise Refused(f"{field} is longer than 200 characters or contains a NUL character")
            return text
    return None


def _number(values: dict[str, Any], fields: tuple[str, ...]) -> float | None:
    for field in fields:
        value = values.get(field)
        if value is None or isinstance(value, bool):
            continue
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            raise Refused(f"{field} is not a number") from None
        if not -LARGEST_AMOUNT <= number <= LARGEST_AMOUNT:
            raise Refused(f"{field} is out of range")
        return number
    return None


def _country(message: dict[str, Any], traits: dict[str, Any]) -> str | None:
    context = message.get("context")
    location = context.get("location") if isinstance(context, dict) else None
    address = traits.get("address")
    for place in (traits, address, location):
        country = place.get("country") if isinstance(place, dict) else None
        if isinstance(country, str) and country.strip() and len(country) <= 60 and "\0" not in country:
            return country.strip()
    return None
