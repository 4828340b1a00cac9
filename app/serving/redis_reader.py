"""One connection to Redis for the fast path: pipelined, with a hard time-out, a breaker, and no retry.

Replies are parsed by hiredis and matched in order, so after a time-out the connection is thrown away. While the breaker
is open a read costs nothing; a background attempt closes it again.
"""

import asyncio
from collections import deque
from typing import Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

import hiredis

from app.core import telemetry
from app.core.logging import log

_PAUSES = (0.1, 0.2, 0.5, 1.0)
_SECOND_LOOKS = 4


class RedisDown(Exception):
    """Redis cannot be asked now, or did not answer in time."""


class _Wire(asyncio.Protocol):
    """Frames replies and hands each to the oldest waiting future."""

    def __init__(self) -> None:
        self.reader = hiredis.Reader()
        self.waiting: deque[asyncio.Future[Any]] = deque()
        self.transport: asyncio.Transport | None = None
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own class does not derive from it

    def data_received(self, data: bytes) -> None:
        self.reader.feed(data)
        try:
            while (reply := self.reader.gets()) is not False:
                future = self.waiting.popleft()
                if not future.done():
                    future.set_result(reply)
        except (hiredis.ProtocolError, IndexError) as error:
            self.close(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self.close(exc)

    def close(self, error: Exception | None = None) -> None:
        """Give up the connection; everyone who waits is told."""
        self.lost = True
        if self.transport is not None:
            self.transport.abort()
        while self.waiting:
            future = self.waiting.popleft()
            if not future.done():
                future.set_exception(RedisDown(str(error or "connection closed")))
                future.exception()  # only the last of a batch is awaited

    def send(self, commands: list[tuple[Any, ...]]) -> list[asyncio.Future[Any]]:
        """Write commands in one piece and return a future for each reply."""
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in commands]
        self.waiting.extend(futures)
        assert self.transport is not None
        self.transport.write(b"".join(hiredis.pack_command(command) for command in commands))
        return futures


class RedisReader:
    """The fast path's door to Redis: `call` raises RedisDown at once while Redis is away.

    `run_id` names the Redis process behind the connection.
    """

    def __init__(self, url: str, timeout_ms: int) -> None:
        self._url = urlsplit(url)
        self._timeout = timeout_ms / 1000
        self._wire: _Wire | None = None
        self._connecting: asyncio.Task[None] | None = None
        self.run_id = ""

    @property
    def up(self) -> bool:
        """Tell whether a connection is open."""
        return self._wire is not None and not self._wire.lost

    async def call(self, *commands: tuple[Any, ...]) -> list[Any]:
        """Send commands together and return their replies; raises RedisDown. An error reply is returned as it is."""
        wire = self._wire
        if wire is None or wire.lost:
            self.reconnect()
            raise RedisDown("not connected")
        futures = wire.send(list(commands))
        last = futures[-1]  # replies come in order: when the last is there, all are
        await asyncio.wait((last,), timeout=self._timeout)
        for _ in range(_SECOND_LOOKS):
            if last.done():
                return [future.result() for future in futures]
            await asyncio.sleep(0)  # a busy loop may have fired the timer before it read the socket
        telemetry.ERRORS.labels("redis", "timeout").inc()
        wire.close(TimeoutError("no answer in time"))
        self.reconnect()
        raise RedisDown("no answer in time")

    def reconnect(self) -> None:
        """Begin connecting in the background, unless that is under way."""
        if self._connecting is None or self._connecting.done():
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

    async def _open(self) -> _Wire:
        loop = asyncio.get_running_loop()
        url = self._url
        if url.scheme == "unix":
            _, wire = await loop.create_unix_connection(_Wire, unquote(url.path))
            number = parse_qs(url.query).get("db", ["0"])[0]
        else:
            secure = True if url.scheme == "rediss" else None
            _, wire = await loop.create_connection(_Wire, url.hostname or "127.0.0.1", url.port or 6379, ssl=secure)
            number = url.path.strip("/") or "0"
        greeting: list[tuple[Any, ...]] = []
        if url.password:
            greeting.append(("AUTH", *([unquote(url.username)] if url.username else []), unquote(url.password)))
        if number != "0":
            greeting.append(("SELECT", number))
        greeting.append(("INFO", "server"))
        try:
            replies = [await future for future in wire.send(greeting)]
        except BaseException:
            wire.close()
            raise
        for reply in replies:
            if isinstance(reply, hiredis.ReplyError):
                wire.close()
                raise RedisDown(str(reply))
        self.run_id = _run_id(replies[-1])
        return wire

    async def close(self) -> None:
        """Close the connection and stop connecting."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._wire is not None:
            self._wire.close()


def _run_id(info: Any) -> str:
    text = info.decode() if isinstance(info, bytes) else str(info)
    for line in text.splitlines():
        if line.startswith("run_id:"):
            return line.partition(":")[2].strip()
    return ""
