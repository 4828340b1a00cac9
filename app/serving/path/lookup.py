"""One read a call, shared: all keys that calls of one loop turn need go to Redis together."""

import asyncio
from collections.abc import Callable
from typing import Any

from app.core.logging import log
from app.serving.redis.reader import RedisReader

Values = list[bytes | None]
Found = Callable[[Values | None], None]
_MOST_WRITES = 10_000


class Lookup:
    """Coalesced reads of Redis, and writes that leave with the turn.

    Values count only while the tenant's marker names the very Redis process that answers, since a Redis that was restored
    from an old copy holds old consent; the reader sees to it.
    """

    def __init__(self, reader: RedisReader) -> None:
        self.reader = reader
        self._groups: list[tuple[int, list[str]]] = []
        self._waiting: list[Found] = []
        self._writes: list[tuple[Any, ...]] = []
        self._scheduled = False

    def get(self, tenant: int, keys: list[str], found: Found) -> None:
        """Read keys; `found` gets their values, or None while Redis is away or cannot be trusted."""
        self._groups.append((tenant, keys))
        self._waiting.append(found)
        if not self._scheduled:
            self._schedule()

    def write(self, *command: Any) -> None:
        """Send a command with this turn's batch, without waiting; it is lost when Redis is away."""
        if len(self._writes) < _MOST_WRITES:
            self._writes.append(command)
            if not self._scheduled:
                self._schedule()

    def _schedule(self) -> None:
        self._scheduled = True
        asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        groups, waiting, writes = self._groups, self._waiting, self._writes
        self._groups, self._waiting, self._writes, self._scheduled = [], [], [], False

        def done(results: list[Values | None]) -> None:
            for found, values in zip(waiting, results, strict=True):
                try:
                    found(values)
                except Exception as error:  # one caller's fault must not keep the others of its turn waiting
                    log.error("lookup.fault", error=type(error).__name__, exc_info=error)

        self.reader.read(groups, writes, done)
