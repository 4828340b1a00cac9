"""What people did up to a moment, as arrays: the input of every recommender's `fit`, and the histories made from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.ml.contract import Floats, History, Ints

NO_ORDER = -1


@dataclass(frozen=True)
class Histories:
    """Histories of P people behind each other: those of person p lie at `start[p]:start[p + 1]`, newest last."""

    start: Ints
    row: Ints
    kind: Ints
    age: Floats
    times: Floats
    amount: Floats

    def of(self, person: int) -> History:
        """Return the history of one person."""
        part = slice(int(self.start[person]), int(self.start[person + 1]))
        return History(self.row[part], self.kind[part], self.age[part], self.times[part], self.amount[part])

    @cached_property
    def person(self) -> Ints:
        """The person of each entry."""
        return np.repeat(np.arange(len(self.start) - 1, dtype=np.int64), np.diff(self.start))

    @cached_property
    def place(self) -> Ints:
        """How many later moments of the same person each entry has behind it."""
        later = np.zeros(len(self.row), np.int64)
        later[:-1] = (self.person[1:] == self.person[:-1]) & (self.age[1:] != self.age[:-1])
        back = later[::-1].cumsum()[::-1]
        last = self.start[1:][self.person] - 1
        return np.asarray(back - back[last], np.int64)


@dataclass(frozen=True)
class Interactions:
    """E events on N rows by P people before a cut.

    `groups` int64[N] holds the group number of each row. The other arrays have length E: `person` and `row` (positions),
    `kind` (position in `contract.KINDS`), `age` (days before the cut, above 0), `order` (a key that the lines of one
    order share, -1 for none), `amount` (quantity, rating or minutes).
    """

    groups: Ints
    people: int
    person: NDArray[np.int32]
    row: NDArray[np.int32]
    kind: NDArray[np.int8]
    age: Floats
    order: Ints
    amount: Floats

    @property
    def rows(self) -> int:
        """Number of rows, N."""
        return len(self.groups)

    def only(self, chosen: NDArray[np.bool_], shift: float = 0.0) -> "Interactions":
        """Return the chosen events over the same rows and people, with `shift` days taken from every age."""
        age = self.age[chosen] - np.float32(shift)
        parts = (self.person[chosen], self.row[chosen], self.kind[chosen], age, self.order[chosen], self.amount[chosen])
        return Interactions(self.groups, self.people, *parts)

    @cached_property
    def histories(self) -> Histories:
        """The complete history of every person at the cut."""
        return _histories(self)

    def popularity(self, half_life_days: float, kind_weights: Sequence[float]) -> Floats:
        """Return float32[N]: the events of each row, weighted by kind and by age with the half-life."""
        weight = np.asarray(kind_weights, np.float64)[self.kind] * np.exp2(-self.age.astype(np.float64) / half_life_days)
        return np.bincount(self.row, weight, minlength=self.rows).astype(np.float32)


def _histories(data: Interactions) -> Histories:
    """Fold the events into one entry per person and row."""
    pair = data.person.astype(np.int64) * max(1, data.rows) + data.row
    key, entry = np.unique(pair, return_inverse=True)
    size = len(key)
    kind = np.zeros(size, np.int64)
    np.maximum.at(kind, entry, data.kind)
    age = np.full(size, np.inf, np.float32)
    np.minimum.at(age, entry, data.age)
    strongest = data.kind == kind[entry]
    amount = np.bincount(entry[strongest], data.amount[strongest], minlength=size)
    times = _times(entry, data, strongest, size)
    person = key // max(1, data.rows)
    row = key % max(1, data.rows)
    # newest last; of equal ages the lower row counts as newer, as in the state that serving reads
    order = np.lexsort((-row, -age, person))
    start = np.searchsorted(person[order], np.arange(data.people + 1)).astype(np.int64)
    return Histories(start, row[order], kind[order], age[order], times[order].astype(np.float32), amount[order].astype(np.float32))


def _times(entry: Ints, data: Interactions, strongest: NDArray[np.bool_], size: int) -> NDArray[np.float64]:
    """Count distinct orders where events carry one, else events, of each entry's strongest kind."""
    single = strongest & (data.order == NO_ORDER)
    counted = np.bincount(entry[single], minlength=size).astype(np.float64)
    ordered = strongest & ~single
    place, order = entry[ordered], data.order[ordered]
    by_order = np.lexsort((order, place))
    place, order = place[by_order], order[by_order]
    first = np.ones(len(place), bool)
    first[1:] = (place[1:] != place[:-1]) | (order[1:] != order[:-1])
    return counted + np.bincount(place[first], minlength=size)


def interactions(groups: Any, people: int, events: Sequence[tuple[int, int, int, float, int, float]]) -> Interactions:
    """Build interactions from (person, row, kind, age, order, amount) tuples, for small and hand-made data."""
    columns = list(zip(*events, strict=True)) if events else [()] * 6
    types = (np.int32, np.int32, np.int8, np.float32, np.int64, np.float32)
    person, row, kind, age, order, amount = (np.asarray(c, t) for c, t in zip(columns, types, strict=True))
    return Interactions(np.asarray(groups, np.int64), people, person, row, kind, age, order, amount)
