"""Puts one answer together from candidates, best first, as the rules that act on it say. Pure, and the same for the same candidates."""

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import heappop, heappush
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Candidate = tuple[int, float, Any]
"""Index of an item, its score, and why it is here, which is handed through."""
Member = Callable[[int], bool]
Key = Callable[[int], int]
_LARGEST = 1e30
# variety is sought among so many times the items that are shown
_WINDOW = 4


class Limit(NamedTuple):
    """No more than `most` items of one key; a key below zero: the limit does not concern the item."""

    rule: str
    most: int
    key: Key


class Need(NamedTuple):
    """At least `places` are for members, as far as there are any."""

    rule: str
    places: int
    member: Member


class Variety(NamedTuple):
    """Maximal marginal relevance: `relevance` times the score (0 to 1 among those looked at), less the rest where the code was shown."""

    rule: str
    relevance: float
    code: Callable[[int], Hashable]


@dataclass(frozen=True, eq=False)
class Wanted:
    """What rules want of an order: `factor` multiplies a score, with at most `largest`; members of `last` come behind all others."""

    factor: Callable[[int], float] | None = None
    largest: float = 1.0
    last: Member | None = None
    limits: Sequence[Limit] = ()
    needs: Sequence[Need] = ()
    variety: Variety | None = None

    @cached_property
    def plain(self) -> bool:
        """Tell whether candidates are taken as they come."""
        return not (self.factor or self.last or self.limits or self.needs or self.variety)


def lifted(score: float, factor: float) -> float:
    """Return a score that a factor moves up when it is above 1, and down when below, also where scores are negative."""
    moved = score * factor if score >= 0 else score / factor
    return moved if -_LARGEST < moved < _LARGEST else math.copysign(_LARGEST, moved)


def multiplied(scores: NDArray[np.float64], factors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what `lifted` does of many scores."""
    with np.errstate(over="ignore"):
        moved = np.where(scores >= 0, scores * factors, scores / factors)
    return np.minimum(np.maximum(moved, -_LARGEST), _LARGEST)


class Ranking:
    """One answer on its way down the rungs: `take` says what a list gives it, `keep` puts that into the answer.

    Pinned items hold their places, count for the limits, and are never turned away by them.
    """

    __slots__ = ("_counts", "_kept", "_left", "_taken", "held", "pins", "room", "wanted")

    def __init__(self, wanted: Wanted, places: int, pins: Sequence[tuple[int, Candidate]] = ()) -> None:
        self.wanted = wanted
        self.pins = placed(pins, places) if pins else []
        self.room = places
        self.held: dict[str, int] = {}
        self._kept: list[int] = []
        self._counts: list[dict[int, int]] = [{} for _ in wanted.limits]
        self._left = [need.places for need in wanted.needs]
        self._taken: tuple[list[Candidate], list[dict[int, int]], list[int]] | None = None
        if self.pins:
            self.keep([candidate for _, candidate in self.pins])

    @property
    def owed(self) -> int:
        """Return how many of the places that are left are for members of needs."""
        return min(self.room, sum(self._left))

    def take(self, candidates: Iterable[Candidate], *, last: bool = False, multiplied: bool = False) -> list[Candidate]:
        """Return what a list gives; from the last one places that nobody could fill as they were meant are filled with others.

        One that is `multiplied` has the scores and the order already that factors give.
        """
        if self.room <= 0:
            return []
        wanted = self.wanted
        if wanted.plain:
            return list(islice(candidates, self.room))
        if wanted.factor is not None and not multiplied:
            candidates = _multiplied(candidates, wanted.factor, wanted.largest)
        if wanted.last is not None:
            candidates = _put_last(candidates, wanted.last)
        picks: list[Candidate] = []
        if wanted.variety is not None:
            candidates = self._varied(candidates, wanted.variety, picks)
        self._fill(candidates, picks, last)
        return picks

    def keep(self, picks: Sequence[Candidate]) -> None:
        """Count picks as part of the answer."""
        self.room -= len(picks)
        if self.wanted.variety is not None:
            self._kept += [item for item, _, _ in picks]
        if self._taken is not None and self._taken[0] is picks:
            _, self._counts, self._left = self._taken
        elif self._counts or self._left:
            for item, _, _ in picks:
                self._count(item, self._counts, self._left)
        self._taken = None

    def arranged(self, picks: Sequence[Candidate]) -> list[Candidate]:
        """Return picks with the pinned items in their places."""
        return arranged(self.pins, picks)

    def _count(self, item: int, counts: list[dict[int, int]], left: list[int]) -> None:
        for limit, count in zip(self.wanted.limits, counts, strict=True):
            if (key := limit.key(item)) >= 0:
                count[key] = count.get(key, 0) + 1
        if left:
            self._meet(item, left)

    def _meet(self, item: int, left: list[int]) -> None:
        for place, some in enumerate(left):
            if some > 0 and self.wanted.needs[place].member(item):
                left[place] -= 1

    def _fill(self, candidates: Iterable[Candidate], picks: list[Candidate], last: bool) -> None:
        limits, room, held = self.wanted.limits, self.room, dict[str, int]()
        if not limits and not self._left:
            # one by one, since variety looks at what was taken
            for candidate in candidates:
                picks.append(candidate)
                if len(picks) >= room:
                    return
            return
        counts, left, passed = [dict(one) for one in self._counts], list(self._left), list[Candidate]()
        self.held, self._taken = held, (picks, counts, left)
        checks = [(limit.rule, limit.most, limit.key, count) for limit, count in zip(limits, counts, strict=True)]
        for candidate in candidates:
            item = candidate[0]
            # far more are turned away than taken, so this is all that is done for them
            for rule, most, key_of, count in checks:
                if (key := key_of(item)) >= 0 and count.get(key, 0) >= most:
                    held[rule] = held.get(rule, 0) + 1
                    break
            else:
                if left:
                    if room - len(picks) <= sum(left) and not self._needed(item, left):
                        passed.append(candidate)
                        continue
                    self._meet(item, left)
                for _, _, key_of, count in checks:
                    if (key := key_of(item)) >= 0:
                        count[key] = count.get(key, 0) + 1
                picks.append(candidate)
                if len(picks) >= room:
                    return
        for candidate in passed if last else ():
            if all((key := key_of(candidate[0])) < 0 or count.get(key, 0) < most for _, most, key_of, count in checks):
                self._count(candidate[0], counts, left)
                picks.append(candidate)
                if len(picks) >= room:
                    return

    def _needed(self, item: int, left: list[int]) -> bool:
        return any(some > 0 and need.member(item) for some, need in zip(left, self.wanted.needs, strict=True))

    def _varied(self, candidates: Iterable[Candidate], variety: Variety, picks: list[Candidate]) -> Iterator[Candidate]:
        """Yield by maximal marginal relevance; as codes are alike or not, the best one is the first of a new or the first of a shown."""
        rest = iter(candidates)
        code, weight = variety.code, variety.relevance
        window = [(one, code(one[0])) for one in islice(rest, _WINDOW * self.room)]
        scores = [one[1] for one, _ in window]
        span = (max(scores) - min(scores) if scores else 0.0) or 1.0
        shown = {code(item) for item in self._kept}
        while window:
            at = _best(window, shown, weight, span)
            best, of = window.pop(at)
            before = len(picks)
            yield best
            if len(picks) > before:
                shown.add(of)
        yield from rest


def _best(window: list[tuple[Candidate, Hashable]], shown: set[Hashable], weight: float, span: float) -> int:
    """Return the place of the next one in a window, best scores first: the first of a new code, or the first of a shown one."""
    if window[0][1] not in shown:
        return 0
    for place, (candidate, code) in enumerate(window):
        if code not in shown:
            # how far the one at the head is ahead, against what its code costs
            ahead = weight * (window[0][0][1] - candidate[1]) / span
            return place if ahead < 1 - weight else 0
    return 0


def arranged(pins: Sequence[tuple[int, Candidate]], picks: Sequence[Candidate]) -> list[Candidate]:
    """Return picks with pinned items in their places, or as near to them as there are items."""
    found = list(picks)
    for place, candidate in pins:
        found.insert(place, candidate)
    return found


def placed(pins: Sequence[tuple[int, Candidate]], places: int) -> list[tuple[int, Candidate]]:
    """Return pins by place from 0, each in the next free one; those that lie behind the last place are left out."""
    held: dict[int, Candidate] = {}
    for place, candidate in pins:
        while place in held:
            place += 1
        if place < places:
            held[place] = candidate
    return sorted(held.items())


def _multiplied(candidates: Iterable[Candidate], factor: Callable[[int], float], largest: float) -> Iterator[Candidate]:
    """Yield by multiplied scores; a list that comes best first is read only as far as a later candidate might still come first."""
    heap: list[tuple[float, int, int, Any]] = []
    for place, (item, score, why) in enumerate(candidates):
        if heap:
            # as `lifted`, which is too dear to be called for each
            reach = -(score * largest if score >= 0 else score / largest)
            while heap and heap[0][0] < reach:
                yield _bounded(heappop(heap))
        by = factor(item)
        heappush(heap, (-(score * by if score >= 0 else score / by), place, item, why))
    while heap:
        yield _bounded(heappop(heap))


def _bounded(entry: tuple[float, int, int, Any]) -> Candidate:
    score, _, item, why = entry
    return item, -score if -_LARGEST < score < _LARGEST else math.copysign(_LARGEST, -score), why


def _put_last(candidates: Iterable[Candidate], last: Member) -> Iterator[Candidate]:
    behind = []
    for candidate in candidates:
        if last(candidate[0]):
            behind.append(candidate)
        else:
            yield candidate
    yield from behind
