"""How a fact is spread over people: of how many it is known, and which values it has, looked at on a sample."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from app.core import clock
from app.core.db import Database
from app.core.tasks import in_turns
from app.data.facts import packed
from app.data.facts.domain import Fact, Ref, Seen, Value
from app.data.facts.packed import PersonFacts
from app.data.profiles.state_codec import view_state
from app.data.segments.estimating import Looked, looked

LEAST = 5
"""What fewer people have in common is not told: a name or an address would be read from it."""
_MOST_VALUES, _MOST_KEYS, _MOST_BINS = 20, 200, 24
_QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_STEPS = (1, 2, 2.5, 5, 10)
_TOLD_TO_ALL = "consent"
_KEYS_IN = {"trait": "t", "prediction": "p"}


class Bin(NamedTuple):
    """How many people have a value from `low` to below `high`; in the last one, also `high` itself."""

    low: float
    high: float
    people: int


class Spread(NamedTuple):
    """A fact over people: `known` of `sampled` of `people` have it. Numbers have quantiles and bins, all else its commonest values.

    `others` have a value that is not listed. Of a fact that needs a key and got none, only `keys` are told.
    """

    people: int
    sampled: int
    known: int
    quantiles: dict[float, float]
    bins: list[Bin]
    values: list[tuple[str, int]]
    others: int
    keys: list[tuple[str, int]]


async def spread(db: Database, tenant: int, name: str, key: str, window: str) -> Spread:
    """Return how a fact of people is spread over them now; raises Unknown for a key or window that it has not."""
    found = await looked(db, tenant)
    fact = found.program.facts.by_name[name]
    if fact.key_needed and not key:
        return Spread(found.people, len(found.rows), 0, {}, [], [], 0, await _keys(fact, found))
    fact, ref = found.program.facts.find([name], key or None, window)
    values = await _values(fact, ref, found)
    numbers = [float(one) for one in values if isinstance(one, int | float) and not isinstance(one, bool) and math.isfinite(one)]
    if values and len(numbers) == len(values):
        return Spread(found.people, len(found.rows), len(values), quantiles(numbers), bins(numbers), [], 0, [])
    counts = Counter(text for one in values for text in _texts(one))
    told = [(text, count) for text, count in counts.most_common(_MOST_VALUES) if count >= LEAST]
    shown = {text for text, _ in told}
    others = sum(1 for one in values if shown.isdisjoint(_texts(one)))
    return Spread(found.people, len(found.rows), len(values), {}, [], told, others, [])


async def _values(fact: Fact, ref: Ref, found: Looked) -> list[Value]:
    read, now = fact.reading(ref), clock.now().timestamp()
    values: list[Value] = []
    async for value, state in in_turns(found.rows):
        person, view = packed.read(value), view_state(state)
        # of those who withdrew consent nothing but that is known
        if person is None or (view is not None and view.consent is False and fact.name != _TOLD_TO_ALL):
            continue
        one = read(Seen(person=person, now=now, edges=found.edges))
        if one is not None:
            values.append(one)
    return values


async def _keys(fact: Fact, found: Looked) -> list[tuple[str, int]]:
    """Return what may stand in brackets, with how many people have it, as far as people tell."""
    if fact.values:
        return [(one, 0) for one in fact.values]
    counts: Counter[str] = Counter()
    async for value, _ in in_turns(found.rows):
        person = packed.read(value)
        if person is not None:
            counts.update(_own(fact, person, found))
    return [(key, count) for key, count in counts.most_common(_MOST_KEYS) if count >= LEAST or fact.keys == "segment"]


def _own(fact: Fact, person: PersonFacts, found: Looked) -> Sequence[str]:
    if fact.keys == "segment":
        return [name for name, number in found.program.numbers.items() if number in person.segments]
    return list(person.more.get(_KEYS_IN.get(fact.name, ""), ()))


def _texts(value: Value) -> list[str]:
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, bool):
        return ["yes" if value else "no"]
    return [f"{value:g}" if isinstance(value, float) else str(value)]


def quantiles(values: Sequence[float]) -> dict[float, float]:
    """Return quantiles of values that are there, between the two nearest ones."""
    ordered = sorted(values)
    found = {}
    for part in _QUANTILES:
        at = part * (len(ordered) - 1)
        low = math.floor(at)
        high = min(low + 1, len(ordered) - 1)
        found[part] = ordered[low] + (ordered[high] - ordered[low]) * (at - low)
    return found


def bins(values: Sequence[float]) -> list[Bin]:
    """Return a histogram with round bounds; the largest hundredth stands in the last bin, so that one value cannot hide all others."""
    ordered = sorted(values)
    low, far = ordered[0], ordered[-1]
    top = ordered[min(len(ordered) - 1, math.ceil(0.99 * len(ordered)))]
    if far == low:
        return [Bin(low, far, len(ordered))]
    if top == low:
        top = far
    raw = (top - low) / _MOST_BINS
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * one for one in _STEPS if power * one >= raw * 0.999)
    # counts have no bins between whole numbers
    if all(one.is_integer() for one in ordered):
        step = max(1.0, math.ceil(step))
    first = math.floor(low / step) * step
    count = max(1, math.floor((top - first) / step) + 1)
    people = [0] * count
    for one in ordered:
        people[min(count - 1, max(0, int((one - first) / step)))] += 1
    edges = [round(first + step * index, 10) for index in range(count + 1)]
    edges[-1] = max(edges[-1], far)
    return [Bin(edges[index], edges[index + 1], people[index]) for index in range(count)]
