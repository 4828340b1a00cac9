"""Counts by step of time, and what a window before a moment holds of them."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from app.data.profiles import buckets

# at that very moment a step still counts
_AFTER = 0.001
# the first place of each tier of steps, and their width, oldest tier first
_TIERS = tuple((first, width) for width, first, _, _ in reversed(buckets.TIERS))


class Steps(NamedTuple):
    """Counts by step, newest first: `ages` the middles of the steps before 1970, ascending so, and `sums` what was counted up to each."""

    ages: list[float]
    sums: list[int]

    def within(self, seconds: int, now: float) -> int:
        """Return what was counted within so many seconds before a moment."""
        many = bisect_right(self.ages, seconds - now)
        return self.sums[many - 1] if many else 0

    def falls(self, seconds: int, value: float, to: bool) -> float | None:
        """Return when what a window holds falls below a number, or `to` it; None when it never held so much."""
        if value < 0 or (value == 0 and not to):
            return None
        place = (bisect_right if to else bisect_left)(self.sums, value)
        # once this step leaves, those that are left do not reach it
        return seconds - self.ages[place] + _AFTER if place < len(self.sums) else None

    def leaving(self, seconds: int, now: float) -> list[float]:
        """Return the moments after now at which a step leaves a window, ascending."""
        many = bisect_left(self.ages, seconds + _AFTER - now)
        return sorted({seconds - age + _AFTER for age in self.ages[:many]})


def steps(newest: int, places: Sequence[int], counts: Sequence[int]) -> Steps:
    """Return steps by their places, newest first, given the newest moment of the person."""
    return Steps([-middle(newest, place) for place in places], list(accumulate(counts)))


def middle(newest: int, place: int) -> float:
    """Return the middle of a step in unix seconds, given the newest moment of the person."""
    for first, width in _TIERS:
        if place >= first:
            return (newest // width - (place - first) + 0.5) * width
    raise AssertionError


def within(newest: int, places: Sequence[int], seconds: int, now: float) -> int:
    """Return how many steps, by their places, newest first, lie within so many seconds before a moment."""
    return bisect_right(places, seconds - now, key=lambda place: -middle(newest, place))
