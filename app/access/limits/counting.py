"""Limits as text, fixed windows, and the answer to a call. Pure counting; who shares the counts is another matter."""

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from limits import RateLimitItem, parse_many

_MOST_CALLS = 10**9
_LONGEST_WINDOW_S = 366 * 86_400


class Budget(StrEnum):
    """What a call counts towards: each has the client's whole limit, so that a burst of one refuses none of the others.

    The value ends the key in Redis.
    """

    ANSWERS = "l"
    EVENTS = "le"
    ADMIN = "la"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a call is within its limit; `reset_s` seconds until the window that decides ends."""

    allowed: bool
    limit: int
    remaining: int
    reset_s: int
    period_s: int = 60

    def headers(self) -> dict[str, str]:
        """Return the RateLimit fields of the IETF draft, and Retry-After when the call was refused."""
        fields = {
            "RateLimit-Policy": f'"client";q={self.limit};w={self.period_s}',
            "RateLimit": f'"client";r={self.remaining};t={self.reset_s}',
        }
        return fields if self.allowed else {**fields, "Retry-After": str(max(1, self.reset_s))}


@lru_cache(maxsize=4096)
def parse_limit(text: str) -> tuple[RateLimitItem, ...]:
    """Read a limit such as `100/second; 6000/minute`; raises ValueError when it is not one, or allows nothing."""
    items = tuple(parse_many(text))
    if any(not 1 <= item.amount <= _MOST_CALLS or not 1 <= item.get_expiry() <= _LONGEST_WINDOW_S for item in items):
        raise ValueError("a limit allows 1 to a billion calls in a second to a year")
    return items


@dataclass(slots=True)
class Window:
    """One worker's part of one fixed window of one client.

    `room` is leased and not used; at `ahead` of it the next lease should be fetched. `ends` in unix seconds.
    """

    amount: int
    period: int
    number: int = -1
    room: int = 0
    used: int = 0
    left: int = 0
    seen: bool = False
    ends: float = 0.0
    ahead: int = 0
    entered: float = 0.0

    def roll(self, now: float, steady: float) -> None:
        """Enter the window of the moment; what was leased and not used dies with the old one.

        `now` in unix seconds, `steady` seconds of a clock that nobody sets: a clock that is set back opens no window again, but one
        that was ahead for a while does not keep us in a window to come for longer than a window is.
        """
        number = int(now // self.period)
        if number > self.number or (number < self.number and steady - self.entered >= self.period):
            self.number, self.room, self.used, self.left, self.seen, self.entered = number, 0, 0, self.amount, False, steady
            self.ends = (number + 1) * self.period

    def reset_s(self, now: float) -> int:
        """Seconds until the window ends, rounded up."""
        return min(self.period, max(1, math.ceil((self.number + 1) * self.period - now)))

    def refusal(self, now: float) -> Verdict:
        """Return the answer to a call that does not fit."""
        return Verdict(False, self.amount, 0, self.reset_s(now), self.period)
