"""Rows of a file become events, as a mapping says: one function a file, built for its columns."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from app.core.ids import IdentityKind
from app.data.events.domain import WITHOUT_ITEM, Event, Flaw, Refused, settled
from app.data.events.formats import amounts
from app.data.events.formats.amounts import NoAmount
from app.data.events.formats.countries import country_code, no_country
from app.data.events.formats.mapping import FIELDS, FieldName, Mapping, Predicate, alternatives
from app.data.events.formats.names import kind_of
from app.data.events.formats.times import parse_moment
from app.data.identity.domain import id_fault
from app.data.identity.placeholders import names_nobody
from app.data.imports.files import FileFault
from app.data.kinds import KIND_NAMES, Kind

_NUMBERS: tuple[FieldName, ...] = ("quantity", "price", "line_total")
_NO_ITEM = (Flaw("item", "no item_id: it counts for no item"),)
_SHOWN = 20


# the row is in another encoding than the mapping says
NOT_UTF8 = 'not valid UTF-8: give the mapping the encoding of the file, such as encoding = "cp1252"'


def compiled(mapping: Mapping, columns: Sequence[str], *, strict_columns: bool = True) -> Callable[[Sequence[Any]], tuple[Event, bytes]]:
    """Return a function from a row's values to its event and the canonical bytes of what was mapped.

    The function raises Refused. Equal canonical bytes mean the same row, also in files whose columns are named
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
                raise FileFault(lacking(alternatives(names), field, columns))
            if place is not None:
                self._places.append((FIELDS.index(field), place))
        self._normal = [(FIELDS.index(field), _NORMAL[how]) for field, how in mapping.normalise.items()]
        if mapping.decimal is not None:
            mapped = [field for field in _NUMBERS if field in mapping.columns]
            self._normal += [(FIELDS.index(field), _decimal(field, mapping.decimal)) for field in mapped]
        self._best = mapping.rating_scale
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
            rules.extend((rule.field is None, place, check, rule.reason) for check in rule.conditions(mapping.decimal or ""))
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
                raise Refused(reason)
        return self._event(fields, values)

    def _event(self, fields: list[str], values: Sequence[Any]) -> tuple[Event, bytes]:
        user, anonymous, email, item, occurred, kind, name, quantity, price, order, country, message, total = fields
        moment, written = self._moment(occurred)
        if moment is None:
            raise Refused("occurred_at is not a date")
        found = self._kind(kind, name)
        if found is None:
            raise Refused("unknown kind")
        amount, money = _number(quantity, "quantity"), _number(price, "price")
        if total and (whole := _number(total, "line_total")) is not None:
            money = whole / (amount or 1.0)
        canonical = "\x1f".join(
            (user, anonymous, email, item, written, str(int(found)), name, repr(amount), repr(money), order, country, message)
        )
        try:
            packed = canonical.encode()
        except UnicodeEncodeError:
            raise Refused(NOT_UTF8) from None
        if b"\0" in packed:
            raise Refused("contains a NUL character")
        if len(item) > 200 or len(order) > 200 or len(name) > 200:
            raise Refused("item_id, order_id or name is longer than 200 characters")
        ids, flaws = self._identities(user, anonymous, email)
        found, amount = settled(found, amount, self._best)
        event = Event(moment, b"", ids, found, name, item or None, order or None, amount, money)
        event.country = country_code(country) if country else None
        if country and event.country is None:
            flaws += (Flaw("country", no_country(country)),)
        if not item and found not in WITHOUT_ITEM:
            flaws += _NO_ITEM
        event.flaws = flaws
        if self._keep:
            event.payload = _payload({name: _plain(values[place]) for name, place in self._keep})
        return event, packed


def lacking(names: Sequence[str], what: str, columns: Sequence[str]) -> str:
    """Say that a file has no column of these names, and which it has."""
    has = ", ".join(columns[:_SHOWN]) + (", ..." if len(columns) > _SHOWN else "")
    return f"the file has no column {' or '.join(names)} for {what}" + (f"; it has {has}" if has else "")


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
        raise Refused(NOT_UTF8) from None


def _integer(text: str) -> str:
    """Write a whole number without its decimal places: `17850.0` becomes `17850`; other texts stay."""
    whole, dot, places = text.partition(".")
    return whole if dot and whole.lstrip("-").isdigit() and not places.strip("0") else text


_NORMAL: dict[str, Callable[[str], str]] = {"integer": _integer, "lower": str.lower, "upper": str.upper}


def _number(text: str, field: str, decimal: str = "") -> float | None:
    try:
        return amounts.read(text, decimal)
    except NoAmount as fault:
        if "may be" in str(fault):
            raise Refused(f'{field} may be two numbers: give the mapping its decimal sign, as decimal = ","') from None
        raise Refused(f"{field} {fault}") from None


def _decimal(field: str, decimal: str) -> Callable[[str], str]:
    """Return what writes a number with a point, so that rules compare it as any other."""

    def normal(text: str) -> str:
        number = _number(text, field, decimal)
        return "" if number is None else repr(number)

    return normal


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
            found = KIND_NAMES.get(text.lower(), kind_of(text))
            if found is not None and text:
                return found
        return None if kind else Kind.NONE

    return read


def _identities(user: str, anonymous: str, email: str) -> tuple[tuple[tuple[int, str], ...], tuple[Flaw, ...]]:
    """Return who a row names and which of its ids name nobody; raises Refused when there is none that can be used."""
    found, flaws = [], []
    for kind, value in ((1, user), (3, email), (2, anonymous)):
        if not value:
            continue
        name = IdentityKind(kind).name.lower()
        if names_nobody(value):
            flaws.append(Flaw("nobody", f"{name} names nobody and was left out"))
            continue
        if fault := id_fault(value):
            raise Refused(f"{name} {fault}")
        found.append((kind, hashlib.sha256(value.lower().encode()).hexdigest() if kind == IdentityKind.EMAIL_SHA256 else value))
    if not found:
        raise Refused(flaws[0].text.replace(" and was left out", "") if flaws else "no user_id, anonymous_id or email")
    return tuple(found), tuple(flaws)
