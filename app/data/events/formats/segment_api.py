"""Segment's tracking messages, read as events: their names, products and times. Pure."""

import hashlib
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import orjson

from app.core.ids import IdentityKind
from app.data.events.domain import USUAL_SCALE, WITHOUT_ITEM, Event, Flaw, message_key, settled
from app.data.events.domain import Arrival as Arrival
from app.data.events.domain import Refused as Refused
from app.data.events.formats import consents, products, signals
from app.data.events.formats.countries import country_code, no_country
from app.data.events.formats.names import kind_of, meant, of_a_letter
from app.data.events.formats.times import parse_moment
from app.data.identity.domain import Identity, email_identity, id_fault
from app.data.identity.placeholders import names_nobody, nobody
from app.data.identity.traits import flattened, left_out
from app.data.kinds import Kind

LARGEST_EVENT = 32_768
TYPES = frozenset({"track", "identify", "page", "screen", "group", "alias"})

_USER_ID, _ANONYMOUS_ID = int(IdentityKind.USER_ID), int(IdentityKind.ANONYMOUS_ID)
# looked up once: a member of an enumeration costs ten times a name of the module
_NONE, _PAGE, _RETURN, _ORDER_CANCEL = Kind.NONE, Kind.PAGE, Kind.RETURN, Kind.ORDER_CANCEL
_SEEN_PAGES = frozenset({"page", "screen"})
# RudderStack's and old libraries' names of the moment by the sender's own clock
_ORIGINAL = ("originalTimestamp", "original_timestamp")
# Where other systems write the moment: not read, since each counts in its own way, but not passed over in silence either.
_OTHER_TIMES = (
    "time",
    "timestamp_micros",
    "event_timestamp",
    "event_time",
    "eventTime",
    "occurred_at",
    "occurredAt",
    "created_at",
    "createdAt",
)


def arrival(body: Mapping[str, Any], received: datetime, *, anonymous_only: bool = False, gpc: bool = False) -> Arrival:
    """Compare the sender's clock with ours; a few seconds are travel, not skew."""
    sent = parse_moment(body["sentAt"]) if body.get("sentAt") else None
    skew = received - sent if sent else timedelta()
    return Arrival(received, skew if abs(skew) > timedelta(seconds=5) else timedelta(), anonymous_only, gpc=gpc)


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
    flaws: list[Flaw] = []
    properties = _object(message, "properties")
    traits = _object(message, "traits") if what == "identify" else {}
    first = Event(
        occurred_at=_moment(message, how, flaws),
        message_id=message_key(_message_id(message, how), public=how.anonymous_only),
        identities=(ids := identities_of(message, how, flaws)),
        former=_former(message, ids, how, flaws) if what == "alias" else (),
        kind=kind,
        name=name,
        order_id=products.order_id(properties, flaws),
        country=_country(message, traits, flaws),
        payload=payload,
        traits=_traits(traits, flaws),
        on_site=_on_site(message, what, name),
        currency=products.currency(properties),
        public=how.anonymous_only,
        purposes=consents.said(message, flaws, telling=what == "identify"),
        gpc=how.gpc or consents.signalled(message),
    )
    if what != "track":
        first.flaws = tuple(flaws)
        return [first]
    first.about = signals.about(name, kind, properties, message.get("context"), public=how.anonymous_only)
    found = _rows(first, products.lines(properties, kind, flaws), flaws)
    if flaws:
        first.flaws = tuple(dict.fromkeys(flaws))
    return found


def _payload(message: dict[str, Any]) -> bytes:
    try:
        payload = orjson.dumps(message)
    except TypeError:
        raise Refused("the event is nested too deeply") from None
    if len(payload) > LARGEST_EVENT:
        raise Refused(f"the event is larger than {LARGEST_EVENT} bytes")
    return payload


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
    return (seen or bool(message.get("anonymousId"))) and not of_a_letter(name)


def _message_id(message: dict[str, Any], how: Arrival) -> str:
    given = message.get("messageId")
    if isinstance(given, (str, int)) and str(given):
        return str(given)
    if how.spare_id:
        return how.spare_id
    if message.get("timestamp") or _original(message):
        # without an id, the same content at the same moment is a retry
        return hashlib.sha256(orjson.dumps(message, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return uuid.uuid4().hex


def _original(message: dict[str, Any]) -> Any:
    return next((given for field in _ORIGINAL if (given := message.get(field)) not in (None, "")), None)


def _moment(message: dict[str, Any], how: Arrival, flaws: list[Flaw]) -> datetime:
    given, skew = message.get("timestamp"), how.skew
    if given in (None, ""):
        given = _original(message)
        if given is None:
            if other := next((field for field in _OTHER_TIMES if message.get(field)), None):
                flaws.append(Flaw("time", f"{other} is not read: without a timestamp the event counts as of now"))
            return how.received
        if message.get("sentAt"):
            # a queue between stamped it when it first left: how late it comes tells nothing of the sender's clock
            skew = timedelta()
    moment = parse_moment(given)
    if moment is None:
        raise Refused("timestamp is not a date")
    return min(moment + skew, how.received)


def identities_of(message: dict[str, Any], how: Arrival, flaws: list[Flaw] | None = None) -> tuple[Identity, ...]:
    """Return who a message names, the strongest first; its e-mail address comes in between, but from those who may name users only.

    Ids that name nobody are left out and noted in `flaws`. Raises Refused when there is none that can be used.
    """
    told: list[Flaw] = [] if flaws is None else flaws
    user, anonymous = _id(message, "userId", told), _id(message, "anonymousId", told)
    if how.anonymous_only:
        user = None
    if user is None and anonymous is None:
        if wrong := next((flaw for flaw in told if flaw.what == "nobody"), None):
            raise Refused(wrong.text.replace("; it was left out", ""))
        raise Refused(
            "anonymousId is missing, and this key may not name users" if how.anonymous_only else "userId or anonymousId is missing"
        )
    address = None if how.anonymous_only else _email(message)
    if anonymous is None and address is None:
        assert user is not None
        return ((_USER_ID, user),)
    named = (None if user is None else (_USER_ID, user), address, None if anonymous is None else (_ANONYMOUS_ID, anonymous))
    return tuple(one for one in named if one is not None)


def _former(message: dict[str, Any], ids: tuple[Identity, ...], how: Arrival, flaws: list[Flaw]) -> tuple[Identity, ...]:
    """Return the ids that a user had before: a previous id may be a user's or an anonymous one, and nobody tells which."""
    previous = _id(message, "previousId", flaws)
    if previous is None or how.anonymous_only or ids[0][0] != _USER_ID or previous == ids[0][1]:
        return ()
    return (_USER_ID, previous), (_ANONYMOUS_ID, previous)


def _id(message: dict[str, Any], field: str, flaws: list[Flaw]) -> str | None:
    given = message.get(field)
    if given is None or given == "" or isinstance(given, bool):
        return None
    if not isinstance(given, (str, int)):
        raise Refused(f"{field} is not a text")
    text = str(given).strip()
    if text and names_nobody(text):
        flaws.append(Flaw("nobody", nobody(field, text)))
        return None
    if fault := id_fault(text):
        raise Refused(f"{field} {fault}")
    return text


def _email(message: dict[str, Any]) -> Identity | None:
    context = message.get("context")
    for place in (message.get("traits"), context.get("traits") if isinstance(context, dict) else None, message.get("properties")):
        if isinstance(place, dict) and (found := email_identity(place.get("email"))) is not None:
            return found
    return None


def _rows(first: Event, lines: list[products.Line], flaws: list[Flaw]) -> list[Event]:
    """Return an event a product; the first one carries what belongs to the whole message."""
    kind = first.kind
    if len(lines) == 1 and lines[0].ids and kind > 0:
        return [_with(first, lines[0])]
    named = any(line.ids for line in lines)
    if (kind is _ORDER_CANCEL and first.order_id) or (kind is _RETURN and not named):
        # the whole order, whatever products are listed
        first.kind = _ORDER_CANCEL
        if not first.order_id:
            flaws.append(Flaw("item", "neither order_id nor products: it takes nothing back"))
        return [first]
    if kind is _NONE and first.about is None and (named or meant(first.name)):
        flaws.append(Flaw("kind", f'"{first.name[:60]}" is no event that counts for an item{_perhaps(first.name)}'))
    found = [_with(first, lines[0])]
    for line in lines[1:]:
        more = Event(first.occurred_at, first.message_id, first.identities, kind, first.name, order_id=first.order_id)
        more.on_site, more.currency, more.public = first.on_site, first.currency, first.public
        found.append(_with(more, line))
    without = sum(1 for line in lines if not line.ids)
    if without and kind not in WITHOUT_ITEM:
        place = "properties" if len(lines) == 1 else f"{without} of {len(lines)} products"
        flaws.append(Flaw("item", f"no product_id in {place}: it counts for no item"))
    return found


def _perhaps(name: str) -> str:
    return f': perhaps "{known}" is meant' if (known := meant(name)) else ""


def _with(event: Event, line: products.Line) -> Event:
    if line.ids:
        event.item_id, event.others = line.ids[0], line.ids[1:]
    if event.kind is _ORDER_CANCEL:
        event.kind = _RETURN
    event.kind, event.quantity = settled(event.kind, line.quantity, line.best or USUAL_SCALE)
    event.value = line.price
    return event


def _object(message: dict[str, Any], field: str) -> dict[str, Any]:
    value = message.get(field)
    if value is None or value == []:  # which is how PHP writes an empty object
        return {}
    if not isinstance(value, dict):
        raise Refused(f"{field} is not an object")
    if field == "traits" and b"\\u0000" in orjson.dumps(value):
        raise Refused("traits contain a NUL character")
    return value


def _traits(told: dict[str, Any], flaws: list[Flaw]) -> dict[str, Any]:
    values, faults = flattened(told) if told else ({}, {})
    flaws += (Flaw("trait", left_out(name, why)) for name, why in faults.items())
    return values


def _country(message: dict[str, Any], traits: dict[str, Any], flaws: list[Flaw]) -> str | None:
    context = message.get("context")
    location = context.get("location") if isinstance(context, dict) else None
    address = traits.get("address")
    wrong = ""
    for place in (traits, address, location):
        country = place.get("country") if isinstance(place, dict) else None
        if isinstance(country, str) and (country := country.strip()):
            if code := country_code(country):
                return code
            wrong = wrong or country
    if wrong:
        flaws.append(Flaw("country", no_country(wrong)))
    return None
