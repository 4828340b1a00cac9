"""From events to what is packed of people beside their profiles, for many people at once. The same set of events gives the same.

What a person did with a category counts for those above it too. An act weighs by its kind, and half as much 30 days later; what is
kept are the categories and brands of most weight.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.data.catalogue.values.categories import above
from app.data.facts.packed import BRAND, CATEGORY, Facet, Unpacked, cart_of, word_number
from app.data.facts.people import COUNTED
from app.data.kinds import Kind
from app.data.profiles import buckets
from app.data.profiles.codec import ORDER, SIGNALS, VISIT
from app.data.profiles.event_columns import Events, Ints, changes

HALF_LIFE_S = 30 * 86_400
MOST_CATEGORIES, MOST_BRANDS = 12, 6
_WEIGHTS = {Kind.VIEW: 1.0, Kind.CLICK: 1.0, Kind.WISHLIST: 3.0, Kind.CART: 3.0, Kind.PURCHASE: 5.0}
_PURCHASE = int(Kind.PURCHASE)


class Thing(NamedTuple):
    """What of an item counts for the facts of people; `price` is NaN for none."""

    category: str
    brand: str
    price: float


NOTHING_KNOWN = Thing("", "", float("nan"))


def facts(events: Events, profiles: Sequence[bytes], things: Mapping[int, Thing], price: Sequence[float]) -> list[Unpacked]:
    """Return what is packed beside the profile of each of `events.people`; `price` are the edges of the bands."""
    people = len(events.people)
    if not people:
        return []
    newest = np.maximum.reduceat(events.second, np.flatnonzero(changes(events.index)))
    lasts, money = _lasts(events), _money(events, newest)
    first = np.minimum.reduceat(events.second, np.flatnonzero(changes(events.index))).tolist()
    facets, bands = _facets(events, newest, things, price)
    found = []
    for place in range(people):
        value = _cart_value(profiles[place], things)
        more: dict[str, Any] = {"f": first[place]}
        found.append(Unpacked(lasts[place], money[place], facets[place], (value, *bands[place]), (), more))
    return found


def _lasts(events: Events) -> list[dict[int, int]]:
    """Return when each kind of event happened last, by person."""
    plain = np.flatnonzero(((events.signal == 0) | (events.kind != 0)) & ~events.void)
    told, bought = np.flatnonzero(events.signal), np.flatnonzero((events.kind == _PURCHASE) & ~events.void)
    index = np.concatenate((events.index[plain], events.index[told], events.index[bought]))
    second = np.concatenate((events.second[plain], events.second[told], events.second[bought]))
    kinds = np.concatenate(
        (
            np.clip(events.kind[plain], -128, SIGNALS - 1),
            np.minimum(SIGNALS + events.signal[told], VISIT - 1),
            np.full(len(bought), ORDER),
        )
    )
    found: list[dict[int, int]] = [{} for _ in range(len(events.people))]
    order = np.lexsort((second, kinds, index))
    index, kinds, second = index[order], kinds[order], second[order]
    if len(index):
        last = np.append(np.flatnonzero(changes(index, kinds))[1:], len(index)) - 1
        for person, kind, at in zip(index[last].tolist(), kinds[last].tolist(), second[last].tolist(), strict=True):
            if kind in _NAMED:
                found[person][kind] = at
    return found


_NAMED = {int(kind) for kind, _, _ in COUNTED.values()}


def _money(events: Events, newest: Ints) -> list[list[tuple[int, int]]]:
    """Return what was paid by step in hundredths, newest first, by person."""
    bought = np.flatnonzero((events.kind == _PURCHASE) & ~events.void & (events.value != 0))
    found: list[list[tuple[int, int]]] = [[] for _ in range(len(events.people))]
    if not len(bought):
        return found
    index = events.index[bought]
    place = buckets.places(newest[index], events.second[bought])
    with np.errstate(over="ignore", invalid="ignore"):
        cents = np.nan_to_num(np.rint(events.value[bought].astype(np.float64) * events.quantity[bought] * 100))
    order = np.lexsort((place, index))
    index, place, cents = index[order], place[order], np.clip(cents[order], -1e12, 1e12)
    at = np.flatnonzero(changes(index, place))
    sums = np.add.reduceat(cents, at)
    for person, step, paid in zip(index[at].tolist(), place[at].tolist(), sums.tolist(), strict=True):
        if step != buckets.OLD and paid > 0:
            found[person].append((step, int(paid)))
    return found


def _facets(
    events: Events, newest: Ints, things: Mapping[int, Thing], price: Sequence[float]
) -> tuple[list[list[Facet]], list[tuple[float, float, float]]]:
    """Return the facets and the shares of the price bands of each person."""
    people = len(events.people)
    touched = np.flatnonzero(np.isin(events.kind, [int(kind) for kind in _WEIGHTS]) & events.own & ~events.void & (events.item > 0))
    if not len(touched):
        return [[] for _ in range(people)], [(0.0, 0.0, 0.0)] * people
    index, kind, second, item = (column[touched] for column in (events.index, events.kind, events.second, events.item))
    table = np.zeros(8)
    for one, each in _WEIGHTS.items():
        table[int(one)] = each
    weight = table[kind] * np.exp2(-(newest[index] - second) / HALF_LIFE_S)
    place = buckets.places(newest[index], second)
    numbers, where = np.unique(item, return_inverse=True)
    named = [things.get(number, NOTHING_KNOWN) for number in numbers.tolist()]
    found: list[list[Facet]] = [[] for _ in range(people)]
    for sort, words, most in (
        (CATEGORY, [_with_above(one.category) for one in named], MOST_CATEGORIES),
        (BRAND, [[word_number(one.brand)] if one.brand else [] for one in named], MOST_BRANDS),
    ):
        lengths = np.array([len(one) for one in words])
        every, many = np.array([word for one in words for word in one], np.int64), lengths[where]
        total = np.bincount(index, weight * (many > 0), people).astype(np.float64)
        rows = np.repeat(np.arange(len(index)), many)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(many) - many, many)
        flat = every[(np.cumsum(lengths) - lengths)[where][rows] + within]
        _add(found, sort, most, total, flat, index[rows], kind[rows], place[rows], weight[rows])
    return found, _bands(people, index, weight, np.array([one.price for one in named])[where], price)


def _add(
    found: list[list[Facet]], sort: int, most: int, total: NDArray[np.float64], word: Ints, index: Ints, kind: Ints, place: Ints,
    weight: NDArray[np.float64],
) -> None:  # fmt: skip
    """Add facets of one sort to those of each person, of most weight first."""
    if not len(word):
        return
    order = np.lexsort((place, kind, word, index))
    word, index, kind, place, weight = word[order], index[order], kind[order], place[order], weight[order]
    heads = np.flatnonzero(changes(index, word))
    steps = np.flatnonzero(changes(index, word, kind, place))
    counts = np.diff(np.append(steps, len(word)))
    shares = np.add.reduceat(weight, heads) / total[index[heads]]
    bounds = np.append(np.searchsorted(steps, heads), len(steps)).tolist()
    entries = list(zip(kind[steps].tolist(), place[steps].tolist(), counts.tolist(), strict=True))
    owners, words, each = index[heads].tolist(), word[heads].tolist(), shares.tolist()
    ranked = np.lexsort((word[heads], -shares, index[heads])).tolist()
    kept: dict[int, int] = {}
    for at in ranked:
        owner = owners[at]
        if kept.setdefault(owner, 0) < most:
            kept[owner] += 1
            found[owner].append(Facet(words[at], sort, each[at], entries[bounds[at] : bounds[at + 1]]))


def _with_above(category: str) -> list[int]:
    found = []
    while category:
        found.append(word_number(category))
        category = above(category)
    return found


def _bands(
    people: int, index: Ints, weight: NDArray[np.float64], prices: NDArray[np.float64], edges: Sequence[float]
) -> list[tuple[float, float, float]]:
    priced = ~np.isnan(prices)
    band = np.searchsorted(np.asarray(edges, np.float64), prices[priced], side="left")
    sums = np.bincount(index[priced] * 3 + band, weight[priced], people * 3).reshape(people, 3)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = np.nan_to_num(sums / sums.sum(axis=1, keepdims=True))
    return [(low, middle, high) for low, middle, high in shares.tolist()]


def _cart_value(profile: bytes, things: Mapping[int, Thing]) -> float:
    prices = ((things.get(item, NOTHING_KNOWN).price, pieces) for item, _, pieces in cart_of(profile))
    return float(sum(price * pieces for price, pieces in prices if price == price))
