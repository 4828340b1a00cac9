"""Rows of a file become events, as a mapping says: one function a file, built for its columns."""

import hashlib
import math
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from app.core.ids import IdentityKind
from app.data.events import segment
from app.data.events.domain import KIND_NAMES, Event, Kind
from app.data.events.mapping import FIELDS, Mapping, Predicate, alternatives
from app.data.events.times import parse_moment
from app.data.files import FileFault
from app.data.people.domain import id_fault


class RowRefused(ValueError):
    """A row is no event; the text is the reason."""


def compiled(mapping: Mapping, columns: Sequence[str], *, strict_columns: bool = True) -> Callable[[Sequence[Any]], tuple[Event, bytes]]:
    """Return a function from a row's values to its event and the canonical bytes of what was mapped.

    The function raises RowRefused. Equal canonical bytes mean the same row, also in files whose columns are named
    otherwise. Raises FileFault when the file lacks a column that the mapping needs.
    """
    return _Row(mapping, columns, strict_columns)


class _Row:
    def __init__(self, mapping: Mapping, columns: Sequence[str], strict_columns: bool) -> None:
        self._places: list[tuple[int, int]] = []
        self._fixed = [""] * len(FIELDS)
        for field, value in mapping.constants.items():
            self._fixed[FIELDS.index(field)] = str(value)
        for field, names in mapping.columns.items():
            place = _place(columns, alternatives(names))
            if place is None and strict_columns and field not in mapping.constants:
                raise FileFault(f"the file has no column {' or '.join(alternatives(names))} for {field}")
            if place is not None:
                self._places.append((FIELDS.index(field), place))
        self._normal = [(FIELDS.index(field), _NORMAL[how]) for field, how in mapping.normalise.items()]
        self._rules = self._compile(mapping, columns, strict_columns)
        self._keep = [(name, place) for name in mapping.keep if (place := _place(columns, [name])) is not None]
        self._moment = lru_cache(20_000)(_moment_reader(mapping))
        self._identities = lru_cache(20_000)(_identities)
        self._kind = lru_cache(1_000)(_kind_reader(mapping.kinds))

    @staticmethod
    def _compile(mapping: Mapping, columns: Sequence[str], strict: bool) -> list[tuple[bool, int, Predicate, str]]:
        rules: list[tuple[bool, int, Predicate, str]] = []
        for rule in mapping.refuse:
            place = FIELDS.index(rule.field) if rule.field else _place(columns, alternatives(rule.column or []))
            if place is None:
                if strict:
                    raise FileFault(f"the file has no column {' or '.join(alternatives(rule.column or []))} for the rule {rule.reason!r}")
                continue
            rules.extend((rule.field is None, place, check, rule.reason) for check in rule.conditions())
        return rules

    def __call__(self, values: Sequence[Any]) -> tuple[Event, bytes]:
        fields = self._fixed.copy()
        for field, place in self._places:
            value = values[place]
            text = value.strip() if type(value) is str else _plain(value)
            if text:
                fields[field] = text
        for field, normal in self._normal:
            fields[field] = normal(fields[field])
        for on_column, place, wrong, reason in self._rules:
            if wrong(_plain(values[place]) if on_column else fields[place]):
                raise RowRefused(reason)
        return self._event(fields, values)

    def _event(self, fields: list[str], values: Sequence[Any]) -> tuple[Event, bytes]:
        user, anonymous, email, item, occurred, kind, name, quantity, price, order, country, message = fields
        moment, written = self._moment(occurred)
        if moment is None:
            raise RowRefused("occurred_at is not a date")
        found = self._kind(kind, name)
        if found is None:
            raise RowRefused("unknown kind")
        amount, money = _number(quantity, "quantity"), _number(price, "price")
        canonical = "\x1f".join(
            (user, anonymous, email, item, written, str(int(found)), name, repr(amount), repr(money), order, country, message)
        )
        try:
            packed = canonical.encode()
        except UnicodeEncodeError:
            raise RowRefused("not valid UTF-8") from None
        if b"\0" in packed:
            raise RowRefused("contains a NUL character")
        if len(item) > 200 or len(order) > 200 or len(name) > 200:
            raise RowRefused("item_id, order_id or name is longer than 200 characters")
        event = Event(moment, b"", self._identities(user, anonymous, email), found, name, item or None, order or None, amount, money)
        event.country = country[:60] or None
        if self._keep:
            event.payload = _payload({name: _plain(values[place]) for name, place in self._keep})
        return event, packed


def _place(columns: Sequence[str], names: Sequence[str]) -> int | None:
    return next((columns.index(name) for name in names if name in columns), None)


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, (dict, list)):
        return orjson.dumps(value).decode()
    return str(value)


def _payload(values: dict[str, str]) -> bytes:
    try:
        return orjson.dumps(values)
    except TypeError:
        raise RowRefused("not valid UTF-8") from None


def _integer(text: str) -> str:
    """Write a whole number without its decimal places: `17850.0` becomes `17850`; other texts stay."""
    whole, dot, places = text.partition(".")
    return whole if dot and whole.lstrip("-").isdigit() and not places.strip("0") else text


_NORMAL: dict[str, Callable[[str], str]] = {"integer": _integer, "lower": str.lower, "upper": str.upper}


def _number(text: str, field: str) -> float | None:
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        raise RowRefused(f"{field} is not a number") from None
    if not math.isfinite(number) or abs(number) > segment.LARGEST_AMOUNT:
        raise RowRefused(f"{field} is out of range")
    return number


def _moment_reader(mapping: Mapping) -> Callable[[str], tuple[datetime | None, str]]:
    """Return a function from a text to its moment in UTC and that moment's canonical text."""
    zone, form = ZoneInfo(mapping.timezone), mapping.time_format

    def read(text: str) -> tuple[datetime | None, str]:
        if form is not None:
            try:
                text = datetime.strptime(text, form).isoformat()
            except ValueError:
                return None, ""
        moment = parse_moment(text, zone)
        return moment, moment.isoformat() if moment else ""

    return read


def _kind_reader(kinds: dict[str, str]) -> Callable[[str, str], Kind | None]:
    def read(kind: str, name: str) -> Kind | None:
        for text in (kind, name):
            if text in kinds:
                return KIND_NAMES[kinds[text]]
            found = KIND_NAMES.get(text.lower(), segment.kind_of(text))
            if found is not None and text:
                return found
        return None if kind else Kind.NONE

    return read


def _identities(user: str, anonymous: str, email: str) -> tuple[tuple[int, str], ...]:
    found = []
    for kind, value in ((1, user), (3, email), (2, anonymous)):
        if not value:
            continue
        if fault := id_fault(value):
            raise RowRefused(f"{IdentityKind(kind).name.lower()} {fault}")
        found.append((kind, hashlib.sha256(value.lower().encode()).hexdigest() if kind == IdentityKind.EMAIL_SHA256 else value))
    if not found:
        raise RowRefused("no user_id, anonymous_id or email")
    return tuple(found)
