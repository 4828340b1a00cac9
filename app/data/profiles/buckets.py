"""Counts over time in few numbers: fine steps for what is new, coarse ones for what is old, seen from a person's newest event. Pure.

A step is named by its place, 0 to 254: how many steps it lies before the one of the newest event, in the tier of its age.

| events | width of a step | places |
| --- | --- | --- |
| of the newest event's hour and the one before | 5 minutes | 0 to 23 |
| of its day and the one before | an hour | 26 to 71 |
| of its week and the 13 before | a day | 74 to 169 |
| of the 53 weeks before its own | a week | 184 to 223 |
| older | only the total is kept | 255 |

A step counts for a window when its middle lies in it. So the far edge of a window is off by at most half a step: 2.5 minutes for
an hour, half an hour for a day, half a day up to 90 days, 3.5 days for a year.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

HOUR, DAY, WEEK = 3_600, 86_400, 604_800
WINDOWS: dict[str, int] = {"1h": HOUR, "24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY, "90d": 90 * DAY, "365d": 365 * DAY}
OLD = 255
# Each tier: the width of its steps, its first place, and how far back it reaches, in steps of the next tier. So a coarse step holds all
# that happened in it, and its middle stands for it.
TIERS = ((300, 0, 1, HOUR), (HOUR, 24, 1, DAY), (DAY, 72, 13, WEEK), (WEEK, 170, 53, WEEK))


def places(newest: Ints, second: Ints) -> Ints:
    """Return the place of each event, given the newest moment of its person; both in unix seconds."""
    found = np.full(len(second), OLD, np.int64)
    left = np.arange(len(second))
    for width, first, reach, coarse in TIERS:
        now, then = newest[left], second[left]
        near = now // coarse - then // coarse <= reach
        found[left[near]] = first + now[near] // width - then[near] // width
        left = left[~near]
    return found


def middles(newest: int, place: NDArray[Any]) -> NDArray[np.float64]:
    """Return the middle of each step in unix seconds, given the newest moment of the person."""
    found = np.zeros(len(place))
    for width, first, _, _ in TIERS:
        # a later tier overwrites: places ascend with them
        chosen = place >= first
        found[chosen] = (newest // width - (place[chosen].astype(np.int64) - first) + 0.5) * width
    return found
