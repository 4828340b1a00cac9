"""When people are not looked up in PostgreSQL for a moment: at once after it failed, after several time-outs in a row where it is slow."""

import time
from collections.abc import Callable

DOWN, SLOW = "database_down", "database_slow"
_REST_S = 1.0
_LATE_IN_A_ROW = 5


class Breaker:
    """Counts what happens to reads; `closed` tells why none should be tried now, empty for none.

    A busy machine lets single reads come late: these cost their people a personal answer, not everybody.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = 0.0
        self._why = ""
        self._late = 0

    @property
    def closed(self) -> str:
        """Return why reads rest, as a reason of an answer; empty while they may be tried."""
        return self._why if self._clock() < self._until else ""

    def answered(self) -> None:
        """Note a read that came in time."""
        self._late = 0

    def late(self) -> bool:
        """Note a read that timed out; tell whether reads begin to rest for it. The first late one after a rest begins the next."""
        self._late += 1
        return self._late >= _LATE_IN_A_ROW and self._rest(SLOW)

    def failed(self) -> bool:
        """Note a read that failed; tell whether reads begin to rest for it."""
        return self._rest(DOWN)

    def _rest(self, why: str) -> bool:
        begins = not self.closed
        self._until, self._why = self._clock() + _REST_S, why
        return begins
