"""The facts of a person as they stand in PostgreSQL and Redis, and how single ones are read from them.

Little-endian. Head: format u8 · flags u8 (reserved) · seq u64 · consent u16 (bits 0 to 4: granted, by the order of purposes; 5 to 9: known)
· lengths of the sections u16 each, of the last u32. Sections:

- profile: as `app.data.profiles.codec` packs it, without its visits;
- lasts: kind i8 and the moment it happened last u32, for each kind and signal;
- money: place u8 (`app.data.profiles.buckets`) and hundredths of a currency unit u32, for each step in which orders were paid;
- facets: for each category and brand that counts: the word's number u32, 0 category or 1 brand u8, share of the weight as u16 of
  65,535, how many entries u8, then kind i8, place u8 (255: older than a year), count u16 for each;
- numbers: what was settled when it was packed, f32 each: value of the cart, shares of the low, middle and high price band, seconds,
  pages and items of a visit on average; then the moment of the first event u32;
- segments: number u32 of each;
- more: JSON of traits (`t`), country (`l`), predictions (`p`), clusters (`k`); as it is read, consent (`c`) and the first moment (`f`) too.
"""

# long: packing and reading of one format stand together

import struct
import zlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from typing import Any, NamedTuple

import orjson

from app.core.settings import CONSENT_PURPOSES
from app.data.catalogue.values.categories import comparable
from app.data.facts.steps import Steps, steps, within
from app.data.profiles import buckets
from app.data.profiles.codec import NOTHING, PROFILE_FORMAT, UNITS
from app.data.profiles.state_codec import FACTS_FORMAT

CATEGORY, BRAND = 0, 1
HEAD = struct.Struct("<BBQ7HI")
_PROFILE = struct.Struct("<BBqIqHHBBBH")
_LAST, _MONEY, _FACET, _ENTRY = struct.Struct("<bI"), struct.Struct("<BI"), struct.Struct("<IBHB"), struct.Struct("<bBH")
_NUMBERS = struct.Struct("<7fI")
_VISIT, _CART = struct.Struct("<IIHH"), struct.Struct("<IIH")
_WIDTH = {1: "B", 2: "H", 4: "I"}
_SHARE = 65_535
_KNOWN = len(CONSENT_PURPOSES)
_CONSENT, _CONSENT_AT = struct.Struct("<H"), 10
_DAY = 86_400
_LARGEST = 65_535


def word_number(word: str) -> int:
    """Return the number that stands for a category or brand, alike however it is spelled."""
    return zlib.crc32(comparable(word).encode())


class Facet(NamedTuple):
    """What somebody did with a category or brand: its share of the weight, and (kind, place, count) entries, newest first by kind."""

    number: int
    sort: int
    share: float
    entries: Sequence[tuple[int, int, int]]


class Unpacked(NamedTuple):
    """All that is packed beside the profile; see the head of this file."""

    lasts: Mapping[int, int]
    money: Sequence[tuple[int, int]]
    facets: Sequence[Facet]
    numbers: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    segments: Sequence[int] = ()
    more: Mapping[str, Any] = {}


def pack(profile: bytes, rest: Unpacked, seq: int = 0) -> bytes:
    """Encode a person's facts; a profile of nothing is left out."""
    lasts = b"".join(_LAST.pack(kind, max(0, min(at, 0xFFFFFFFF))) for kind, at in rest.lasts.items())
    money = b"".join(_MONEY.pack(place, min(max(cents, 0), 0xFFFFFFFF)) for place, cents in rest.money)
    facets = b"".join(
        _FACET.pack(one.number, one.sort, round(min(max(one.share, 0.0), 1.0) * _SHARE), min(len(one.entries), 255))
        + b"".join(_ENTRY.pack(kind, place, min(count, _LARGEST)) for kind, place, count in one.entries[:255])
        for one in rest.facets
    )
    known, visit = _without_visits(profile) if profile not in (b"", NOTHING) else (b"", (0.0, 0.0, 0.0))
    first = rest.more.get("f", 0)
    numbers = _NUMBERS.pack(*rest.numbers, *visit, max(0, min(first, 0xFFFFFFFF))) if known or any(rest.numbers) else b""
    segments = struct.pack(f"<{len(rest.segments)}I", *rest.segments)
    more = {name: value for name, value in rest.more.items() if name not in ("c", "f")}
    sections = (known, lasts, money, facets, numbers, segments, orjson.dumps(more) if more else b"")
    return HEAD.pack(FACTS_FORMAT, 0, seq, _consent_bits(rest.more.get("c", {})), *map(len, sections)) + b"".join(sections)


def _consent_bits(told: Mapping[str, bool]) -> int:
    granted = sum(1 << place for place, name in enumerate(CONSENT_PURPOSES) if told.get(name))
    return granted | sum(1 << place + _KNOWN for place, name in enumerate(CONSENT_PURPOSES) if name in told)


def _without_visits(profile: bytes) -> tuple[bytes, tuple[float, float, float]]:
    """Return a profile without its visits, and how long they were on average, and what was seen."""
    head = list(_PROFILE.unpack_from(profile))
    many, start = head[8], _PROFILE.size + 6 * head[7] + (1 + head[1]) * head[10]
    if not many:
        return profile, (0.0, 0.0, 0.0)
    end = start + many * _VISIT.size
    visits = list(_VISIT.iter_unpack(profile[start:end]))
    head[8] = 0
    seconds, pages, items = (sum(visit[place] for visit in visits) / many for place in (1, 2, 3))
    return _PROFILE.pack(*head) + profile[_PROFILE.size : start] + profile[end:], (seconds, pages, items)


def read(value: bytes | None) -> "PersonFacts | None":
    """Look into packed facts; None for nothing, another format or a value of the wrong length."""
    if value is None or len(value) < HEAD.size or value[0] != FACTS_FORMAT:
        return None
    lengths = HEAD.unpack_from(value)[4:]
    return PersonFacts(value, lengths) if len(value) == HEAD.size + sum(lengths) else None


class PersonFacts:
    """One person's facts, decoded as they are asked for."""

    def __init__(self, value: bytes, lengths: tuple[int, ...]) -> None:
        self._value = value
        self._at = list(accumulate(lengths, initial=HEAD.size))
        self._profile: tuple[Any, ...] | None = None
        start = HEAD.size
        if lengths[0] and value[start] == PROFILE_FORMAT:
            self._profile = _PROFILE.unpack_from(value, start)
        self.newest = self._profile[2] if self._profile else 0

    @property
    def known(self) -> bool:
        """Tell whether the person did anything that counts."""
        return self._profile is not None

    @property
    def last_seen(self) -> int:
        """When the person did something last, in unix seconds; 0 for never."""
        return int(self._profile[3]) if self._profile else 0

    @property
    def paid(self) -> float:
        """What all orders came to, in currency units."""
        return float(self._profile[4] / UNITS) if self._profile else 0.0

    @property
    def first_order(self) -> int:
        """The day of the first order in days since 1970; 0 for none."""
        return int(self._profile[5]) if self._profile else 0

    @cached_property
    def _kinds(self) -> dict[int, tuple[int, int, int]]:
        """Total, place of the first step and number of steps of each kind."""
        if self._profile is None:
            return {}
        many, start = self._profile[7], self._at[0] + _PROFILE.size
        value = self._value
        kinds = struct.unpack_from(f"<{many}b{many}I{many}B", value, start) if many else ()
        found, at = {}, 0
        for place in range(many):
            steps = kinds[2 * many + place]
            found[kinds[place]] = (kinds[many + place], at, steps)
            at += steps
        return found

    @cached_property
    def _steps(self) -> tuple[bytes, Sequence[int]]:
        """Places and counts of the steps of all kinds."""
        if self._profile is None:
            return b"", ()
        width, many, count = self._profile[1], self._profile[7], self._profile[10]
        start = self._at[0] + _PROFILE.size + 6 * many
        places = self._value[start : start + count]
        return places, struct.unpack_from(f"<{count}{_WIDTH[width]}", self._value, start + count)

    def total(self, kind: int) -> int:
        """Return how often a kind of event happened, ever."""
        return self._kinds[kind][0] if kind in self._kinds else 0

    @cached_property
    def _counted(self) -> dict[int, "Steps"]:
        return {}

    def _steps_of(self, kind: int) -> "Steps":
        """Return the steps of a kind, put together when they are first asked for."""
        found = self._counted.get(kind)
        if found is None:
            _, at, many = self._kinds.get(kind, (0, 0, 0))
            places, counts = self._steps
            found = self._counted[kind] = steps(self.newest, places[at : at + many], counts[at : at + many])
        return found

    def count(self, kind: int, seconds: int, now: float) -> int:
        """Return how often a kind of event happened within so many seconds before a moment.

        Who asks once, as answers do, has nothing put together: the kind is found where it stands.
        """
        if self._profile is None:
            return 0
        width, many, in_all = self._profile[1], self._profile[7], self._profile[10]
        value, start = self._value, self._at[0] + _PROFILE.size
        place = value.find(kind & 0xFF, start, start + many)
        if place < 0:
            return 0
        own = place + 5 * many
        at = start + 6 * many + sum(value[start + 5 * many : own])
        kept = within(self.newest, value[at : at + value[own]], seconds, now)
        at = start + 6 * many + in_all + width * (at - start - 6 * many)
        return sum(struct.unpack_from(f"<{kept}{_WIDTH[width]}", value, at))

    def leaving(self, kind: int, seconds: int, now: float) -> list[float]:
        """Return the moments at which counts of a window fall while nothing happens, ascending."""
        return self._steps_of(kind).leaving(seconds, now) if kind in self._kinds else []

    def falls(self, kind: int, seconds: int, value: float, to: bool) -> float | None:
        """Return when the count of a window falls below a number, or `to` it; None when it never was above."""
        return self._steps_of(kind).falls(seconds, value, to) if kind in self._kinds else None

    @cached_property
    def lasts(self) -> dict[int, int]:
        """When each kind of event happened last, in unix seconds."""
        return dict(_LAST.iter_unpack(self._value[self._at[1] : self._at[2]]))

    @cached_property
    def money(self) -> list[tuple[int, int]]:
        """What was paid in each step, in hundredths, newest first."""
        return list(_MONEY.iter_unpack(self._value[self._at[2] : self._at[3]]))

    @cached_property
    def _paid(self) -> "Steps":
        return steps(self.newest, [place for place, _ in self.money], [cents for _, cents in self.money])

    def spent(self, seconds: int, now: float) -> float:
        """Return what orders of so many seconds before a moment came to, in currency units."""
        return self._paid.within(seconds, now) / 100

    def spending_leaves(self, seconds: int, now: float) -> list[float]:
        """Return the moments at which the money of a window falls while nothing happens, ascending."""
        return self._paid.leaving(seconds, now)

    def spending_falls(self, seconds: int, value: float, to: bool) -> float | None:
        """Return when the money of a window falls below a number, or `to` it; None when it never was above."""
        return self._paid.falls(seconds, value * 100, to)

    @cached_property
    def facets(self) -> dict[tuple[int, int], Facet]:
        """What was done with categories and brands, by sort and number."""
        found: dict[tuple[int, int], Facet] = {}
        value, at, end = self._value, self._at[3], self._at[4]
        while at < end:
            number, sort, share, many = _FACET.unpack_from(value, at)
            at += _FACET.size
            entries = list(_ENTRY.iter_unpack(value[at : at + many * _ENTRY.size]))
            at += many * _ENTRY.size
            found[sort, number] = Facet(number, sort, share / _SHARE, entries)
        return found

    def _facet_steps(self, sort: int, number: int, kind: int) -> "Steps | None":
        found = self.facets.get((sort, number))
        if found is None:
            return None
        kept = [(place, count) for one, place, count in found.entries if one == kind and place != buckets.OLD]
        return steps(self.newest, [place for place, _ in kept], [count for _, count in kept])

    def facet_count(self, sort: int, number: int, kind: int, seconds: int | None, now: float) -> int:
        """Return how often a kind of event happened with a category or brand within so many seconds before a moment; None: ever."""
        if seconds is None:
            found = self.facets.get((sort, number))
            return sum(count for one, _, count in found.entries if one == kind) if found else 0
        kept = self._facet_steps(sort, number, kind)
        return kept.within(seconds, now) if kept else 0

    def facet_leaves(self, sort: int, number: int, kind: int, seconds: int, now: float) -> list[float]:
        """Return the moments at which counts of a window with a category or brand fall while nothing happens, ascending."""
        kept = self._facet_steps(sort, number, kind)
        return kept.leaving(seconds, now) if kept else []

    def facet_falls(self, sort: int, number: int, kind: int, seconds: int, value: float, to: bool) -> float | None:
        """Return when the count of a window with a category or brand falls below a number, or `to` it; None when it never was above."""
        kept = self._facet_steps(sort, number, kind)
        return kept.falls(seconds, value, to) if kept else None

    @cached_property
    def numbers(self) -> tuple[float, ...]:
        """Value of the cart, shares of the low, middle and high price band, seconds, pages and items of a visit, the first moment."""
        return _NUMBERS.unpack_from(self._value, self._at[4]) if self._at[5] > self._at[4] else (0.0,) * 8

    @cached_property
    def segments(self) -> frozenset[int]:
        """Numbers of the segments the person is in."""
        start, end = self._at[5], self._at[6]
        return frozenset(struct.unpack_from(f"<{(end - start) // 4}I", self._value, start))

    @cached_property
    def more(self) -> dict[str, Any]:
        """Traits, consent, country, first seen, predictions."""
        start, end = self._at[6], self._at[7]
        found: dict[str, Any] = orjson.loads(self._value[start:end]) if end > start else {}
        (bits,) = _CONSENT.unpack_from(self._value, _CONSENT_AT)
        found["c"] = {name: bool(bits >> place & 1) for place, name in enumerate(CONSENT_PURPOSES) if bits >> place + _KNOWN & 1}
        if first := self.numbers[7]:
            found["f"] = first
        return found

    @cached_property
    def cart(self) -> list[tuple[int, int, int]]:
        """Item number, moment and pieces of each line of the cart, oldest first."""
        return cart_of(self._value[self._at[0] : self._at[1]])


def cart_of(profile: bytes) -> list[tuple[int, int, int]]:
    """Return item number, moment and pieces of each line of the cart in a packed profile, oldest first."""
    many = _PROFILE.unpack_from(profile)[9] if profile else 0
    return list(_CART.iter_unpack(profile[len(profile) - many * _CART.size :]))
