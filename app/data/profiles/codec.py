"""The profile of a person: counts by kind and window, orders, visits, cart; how it is packed, and what it says at a moment.

Little-endian. A head of 31 bytes (format u8 · width of counts u8 · newest event i64 · last seen u32 · order value i64 ·
first and last order day u16 · number of kinds u8, of visits u8, of cart lines u8, of steps u16), then

- by kind: numbers i8, totals u32, how many steps each has u8;
- steps of all kinds, newest first in each: places u8 (`app.data.profiles.buckets`), counts u8, u16 or u32;
- visits, oldest first: start u32, length u32, pages u16, items u16;
- cart, oldest first: item number u32, when it was put in last u32, pieces u16.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.data.kinds import Kind, Signal
from app.data.profiles import buckets
from app.data.profiles.buckets import Ints

PROFILE_FORMAT = 1
# What is counted beside the kinds of events.
VISIT, ORDER, ACTIVE_DAY = 100, 101, 102
SIGNALS = 50
"""Signals stand behind this number, up to 99."""
UNITS = 10_000
"""Parts of one currency unit that order values are kept in."""

VISIT_ROW = np.dtype([("start", "<u4"), ("length", "<u4"), ("pages", "<u2"), ("items", "<u2")])
CART_ROW = np.dtype([("item", "<u4"), ("added", "<u4"), ("quantity", "<u2")])
EVER = "ever"

_HEAD = struct.Struct("<BBqIqHHBBBH")
_WIDTHS = (1, 2, 4)
_NAMES: dict[int, str] = {int(kind): kind.name.lower() for kind in Kind} | {
    **{SIGNALS + signal: f"signal_{signal.name.lower()}" for signal in Signal},
    int(Kind.NONE): "other", VISIT: "visit", ORDER: "order", ACTIVE_DAY: "active_day",
}  # fmt: skip


@dataclass(frozen=True)
class Columns:
    """What profiles of P people are packed from: columns of all of them behind each other, bounds int64[P+1] between them.

    `newest` and `last_seen` int64[P] in unix seconds: of all events, and of what the person did. By kind: `kinds`, `totals`, and `steps`,
    how many of the steps each has. By step: `places`, `counts`. By person: `order_value` in units, `first_order` and `last_order` in
    days since 1970, 0 for none. `visits` and `cart`
    hold rows of VISIT_ROW and CART_ROW.
    """

    newest: Ints
    last_seen: Ints
    kind_bounds: Ints
    kinds: Ints
    totals: Ints
    steps: Ints
    step_bounds: Ints
    places: Ints
    counts: Ints
    order_value: Ints
    first_order: Ints
    last_order: Ints
    visit_bounds: Ints
    visits: NDArray[np.void]
    cart_bounds: Ints
    cart: NDArray[np.void]


class Profile(NamedTuple):
    """One person's profile; arrays are views.

    `newest` is the newest event and `last_seen` the newest act of the person, 0 for never, both in unix seconds. By kind: `totals`, and
    `steps`, which are places and counts. `order_value` is in currency units, `first_order` and `last_order` in days since 1970, 0 for none.
    `visits` and `cart` hold rows of VISIT_ROW and CART_ROW, oldest first.
    """

    newest: int
    last_seen: int
    totals: Mapping[int, int]
    steps: Mapping[int, tuple[NDArray[np.uint8], NDArray[Any]]]
    order_value: float
    first_order: int
    last_order: int
    visits: NDArray[np.void]
    cart: NDArray[np.void]

    def counts(self, now: float) -> dict[str, dict[str, int]]:
        """Return how often each kind of event happened within each window before a moment in unix seconds, and ever.

        Kinds that never happened are left out. How exact a window's edge is: `app.data.profiles.buckets`.
        """
        found: dict[str, dict[str, int]] = {}
        for kind, total in self.totals.items():
            place, count = self.steps[kind]
            age = now - buckets.middles(self.newest, place)
            within = {name: int(count[age <= seconds].sum()) for name, seconds in buckets.WINDOWS.items()}
            found[_NAMES.get(kind, f"kind_{kind}")] = {**within, EVER: total}
        return found


NOTHING = _HEAD.pack(PROFILE_FORMAT, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
"""The profile of somebody of whom nothing is known."""


def pack_profiles(of: Columns) -> list[bytes]:
    """Encode profiles; counts above what their place holds stand as the largest."""
    kinds, steps, places = of.kinds.astype("i1").tobytes(), of.steps.astype("u1").tobytes(), of.places.astype("u1").tobytes()
    totals = np.minimum(of.totals, 0xFFFFFFFF).astype("<u4").tobytes()
    counts = {width: np.minimum(of.counts, (1 << 8 * width) - 1).astype(f"<u{width}").tobytes() for width in _WIDTHS}
    # everybody's newest event has a step, so that no stretch is empty
    most = np.maximum.reduceat(of.counts, of.step_bounds[:-1])
    widths = np.where(most < 1 << 8, 1, np.where(most < 1 << 16, 2, 4)).tolist()
    visits, cart = of.visits.tobytes(), of.cart.tobytes()
    seen = np.clip(of.last_seen, 0, 0xFFFFFFFF)
    numbers = (of.newest, seen, of.order_value, np.clip(of.first_order, 0, 0xFFFF), np.clip(of.last_order, 0, 0xFFFF))
    bounds = (of.kind_bounds, of.step_bounds, of.visit_bounds, of.cart_bounds)
    ranges = (pair for one in bounds for pair in (one[:-1].tolist(), one[1:].tolist()))
    found = []
    for width, newest, last_seen, value, first, last, k0, k1, s0, s1, v0, v1, c0, c1 in zip(
        widths, *(column.tolist() for column in numbers), *ranges, strict=True
    ):
        head = _HEAD.pack(PROFILE_FORMAT, width, newest, last_seen, value, first, last, k1 - k0, v1 - v0, c1 - c0, s1 - s0)
        by_kind = kinds[k0:k1] + totals[4 * k0 : 4 * k1] + steps[k0:k1]
        by_step = places[s0:s1] + counts[width][width * s0 : width * s1]
        lists = visits[VISIT_ROW.itemsize * v0 : VISIT_ROW.itemsize * v1] + cart[CART_ROW.itemsize * c0 : CART_ROW.itemsize * c1]
        found.append(head + by_kind + by_step + lists)
    return found


def unpack_profile(value: bytes) -> Profile | None:
    """Decode a profile; None for another format or a damaged value."""
    if len(value) < _HEAD.size or value[0] != PROFILE_FORMAT:
        return None
    _, width, newest, last_seen, paid, first, last, k, v, c, s = _HEAD.unpack_from(value)
    if width not in _WIDTHS or len(value) != _HEAD.size + 6 * k + (1 + width) * s + VISIT_ROW.itemsize * v + CART_ROW.itemsize * c:
        return None
    at = _HEAD.size
    columns = []
    for form, length in (("i1", k), ("<u4", k), ("u1", k), ("u1", s), (f"<u{width}", s), (VISIT_ROW, v), (CART_ROW, c)):
        kind = np.dtype(form)
        columns.append(np.frombuffer(value, kind, length, at))
        at += kind.itemsize * length
    kinds, totals, steps, places, counts, visits, cart = columns
    ends = np.cumsum(steps, dtype=np.int64).tolist()
    if (ends[-1] if ends else 0) != s:
        return None
    names = kinds.tolist()
    bounds = zip([0, *ends], ends, strict=False)
    own = {kind: (places[a:b], counts[a:b]) for kind, (a, b) in zip(names, bounds, strict=True)}
    return Profile(newest, last_seen, dict(zip(names, totals.tolist(), strict=True)), own, paid / UNITS, first, last, visits, cart)
