"""The fast path's door to Redis: pipelined, with a hard time-out, a breaker, and no retry.

While the breaker is open a read costs nothing; a background attempt closes it again.
"""

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import hiredis

from app.core import ids, telemetry
from app.core.logging import log
from app.serving.redis_wire import RedisDown, Wire

__all__ = ["RedisDown", "RedisReader"]

_PAUSES = (0.1, 0.2, 0.5, 1.0)

Group = tuple[int, list[str]]
Values = list[bytes | None]
Done = Callable[[list[Values | None]], None]


class RedisReader:
    """Reads of one loop turn, and single commands. `run_id` names the Redis process behind the connection."""

    def __init__(self, url: str, timeout_ms: int) -> None:
        self._url = urlsplit(url)
        self._timeout = timeout_ms / 1000
        self._wire: Wire | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def up(self) -> bool:
        """Tell whether a connection is open."""
        return self._wire is not None and not self._wire.lost

    @property
    def run_id(self) -> str:
        """Name the Redis process behind the connection; empty before the first."""
        return "" if self._wire is None else self._wire.run_id.decode()

    def read(self, groups: list[Group], writes: list[tuple[Any, ...]], done: Done) -> None:
        """Read groups of (tenant, keys) and send writes (command, key, ...) along, all in one piece.

        `done` is called once, by the loop, never from within: for each group with the values of its keys, or with None when
        Redis is down, late, or its process is not the one that the tenant's marker names. Results of writes are only counted.
        """
        wire = self._wire
        if wire is None or wire.lost:
            self.reconnect()
            asyncio.get_running_loop().call_soon(done, _nothing(groups))
            return
        commands: list[Any] = list(writes)
        places: dict[int, int] = {}
        if groups:
            for tenant, _ in groups:
                places.setdefault(tenant, len(places))
            command = ["MGET", *map(ids.marker_key, places)]
            for _, keys in groups:
                command += keys
            commands.append(command)
        if not commands:
            asyncio.get_running_loop().call_soon(done, [])
            return
        run_id = wire.run_id

        def take(replies: list[Any] | None) -> None:
            if replies is None:
                done(_nothing(groups))
                return
            count_refused(replies)
            done(_sorted_out(groups, places, replies[-1], run_id) if groups else [])

        wire.send(commands, take)

    async def call(self, *commands: tuple[Any, ...]) -> list[Any]:
        """Send commands together and return their replies; raises RedisDown. An error reply is returned as it is."""
        wire = self._wire
        if wire is None or wire.lost:
            self.reconnect()
            raise RedisDown("not connected")
        return await wire.ask(commands)

    def reconnect(self) -> None:
        """Begin connecting in the background, unless that is under way."""
        if not self._closed and (self._connecting is None or self._connecting.done()):
            self._connecting = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        attempt = 0
        while True:
            try:
                async with asyncio.timeout(1.0):
                    self._wire = await self._open()
                log.info("redis.connected")
                return
            except (OSError, TimeoutError, RedisDown, ValueError) as error:
                telemetry.ERRORS.labels("redis", "connect").inc()
                if attempt == 0:
                    log.warning("redis.down", error=type(error).__name__)
            await asyncio.sleep(_PAUSES[min(attempt, len(_PAUSES) - 1)])
            attempt += 1

    async def _open(self) -> Wire:
        loop = asyncio.get_running_loop()
        url = self._url
        if url.scheme == "unix":
            _, wire = await loop.create_unix_connection(lambda: Wire(self._timeout, self.reconnect), unquote(url.path))
            number = parse_qs(url.query).get("db", ["0"])[0]
        else:
            secure = True if url.scheme == "rediss" else None
            host, port = url.hostname or "127.0.0.1", url.port or 6379
            _, wire = await loop.create_connection(lambda: Wire(self._timeout, self.reconnect), host, port, ssl=secure)
            number = url.path.strip("/") or "0"
        greeting: list[tuple[Any, ...]] = []
        if url.password:
            greeting.append(("AUTH", *([unquote(url.username)] if url.username else []), unquote(url.password)))
        if number != "0":
            greeting.append(("SELECT", number))
        try:
            await wire.greet(greeting)
        except BaseException:
            wire.close()
            raise
        return wire

    async def close(self) -> None:
        """Close the connection and stop connecting."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
        if self._wire is not None:
            self._wire.close()


def count_refused(replies: list[Any]) -> None:
    """Count error replies, by the first word of what they say: OOM of a full Redis, READONLY of a replica."""
    for reply in replies:
        if isinstance(reply, hiredis.ReplyError):
            telemetry.ERRORS.labels("redis", str(reply).partition(" ")[0].lower()[:20]).inc()


def _sorted_out(groups: list[Group], places: dict[int, int], values: Any, run_id: bytes) -> list[Values | None]:
    """Give each group its part of one MGET, whose first values are the markers of tenants at `places`."""
    if not isinstance(values, list) or not run_id:
        return _nothing(groups)
    found: list[Values | None] = []
    at = len(places)
    for tenant, keys in groups:
        found.append(values[at : at + len(keys)] if values[places[tenant]] == run_id else None)
        at += len(keys)
    return found


def _nothing(groups: list[Group]) -> list[Values | None]:
    return [None] * len(groups)
