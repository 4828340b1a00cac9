"""A connection to one Redis process, opened again in the background for as long as it is lost."""

# long: one connection is one state machine

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any

from app.core import tasks, telemetry
from app.core.logging import log
from app.core.redis_url import Endpoint, RedisUrl
from app.serving.redis.wire import RedisDown, Wire

_PAUSES = (0.1, 0.2, 0.5, 1.0)
_CONNECT_S = 1.0
_SENTINEL_S = 0.5


class Link:
    """Holds a wire to where `find` says. While there is none, asking costs nothing and a background attempt goes on."""

    def __init__(self, url: RedisUrl, timeout_s: float, find: Callable[[], Awaitable[Endpoint]]) -> None:
        self._url = url
        self._timeout = timeout_s
        self._find = find
        self._wire: Wire | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._closed = False
        self.endpoint: Endpoint | None = None

    @property
    def wire(self) -> Wire | None:
        """The open connection, if there is one; asking for it while it is lost begins connecting."""
        wire = self._wire
        if wire is None or wire.lost:
            self.reconnect()
            return None
        return wire

    @property
    def up(self) -> bool:
        """Tell whether a connection is open."""
        return self._wire is not None and not self._wire.lost

    def reconnect(self) -> None:
        """Begin connecting in the background, unless that is under way."""
        if not self._closed and (self._connecting is None or self._connecting.done()):
            self._connecting = asyncio.get_running_loop().create_task(self._connect())

    def drop(self) -> None:
        """Leave the connection for a new one."""
        if self._wire is not None:
            self._wire.close()

    async def close(self) -> None:
        """Close the connection and stop connecting."""
        self._closed = True
        if self._connecting is not None:
            await tasks.stop(self._connecting)
        if self._wire is not None:
            self._wire.close()

    async def _connect(self) -> None:
        attempt = 0
        while True:
            try:
                async with asyncio.timeout(_CONNECT_S):
                    self.endpoint = endpoint = await self._find()
                    self._wire = await open_wire(self._url, endpoint, self._timeout, self.reconnect)
                log.info("redis.connected", node=spelled(endpoint))
                return
            except (OSError, TimeoutError, RedisDown, ValueError) as error:
                telemetry.ERRORS.labels("redis", "connect").inc()
                if attempt == 0:
                    log.warning("redis.down", error=type(error).__name__)
            await asyncio.sleep(_PAUSES[min(attempt, len(_PAUSES) - 1)])
            attempt += 1


async def open_wire(url: RedisUrl, endpoint: Endpoint, timeout_s: float, on_lost: Callable[[], None]) -> Wire:
    """Connect to a Redis process and greet it; raises OSError or RedisDown."""
    greeting: list[tuple[Any, ...]] = []
    if url.password:
        greeting.append(("AUTH", *([url.username] if url.username else []), url.password))
    if url.database:
        greeting.append(("SELECT", url.database))
    wire = await _connected(url, endpoint, timeout_s, on_lost)
    try:
        await wire.greet(greeting)
    except BaseException:
        wire.close()
        raise
    if url.kind == "sentinel" and not wire.run_id:
        wire.close()
        raise RedisDown("Sentinel named a process that is not a master")
    return wire


async def ask_sentinels(url: RedisUrl) -> Endpoint:
    """Ask all Sentinels for the master's address and believe the newest; raises RedisDown when none tells.

    One that was cut off from the others may name a master that was replaced: its configuration has an older epoch.
    """
    told = [one for one in await asyncio.gather(*(_told(url, endpoint) for endpoint in url.endpoints)) if one is not None]
    if not told:
        raise RedisDown("no Sentinel names a master")
    return max(told, key=lambda one: one[0])[1]


async def _told(url: RedisUrl, sentinel: Endpoint) -> tuple[int, Endpoint] | None:
    """Return the epoch and the master's address of one Sentinel; None when it tells nothing."""
    questions: list[tuple[str, ...]] = [("SENTINEL", "MASTER", url.service)]
    if url.sentinel_password:
        questions.insert(0, ("AUTH", *([url.sentinel_username] if url.sentinel_username else []), url.sentinel_password))
    try:
        async with asyncio.timeout(_SENTINEL_S):
            wire = await _connected(url, sentinel, _SENTINEL_S, _ignored)
            try:
                reply = (await wire.ask(questions))[-1]
            finally:
                wire.close()
    except (OSError, TimeoutError, RedisDown):
        return None
    if not isinstance(reply, list):
        return None
    said = dict(zip(reply[::2], reply[1::2], strict=False))
    if b"ip" not in said or b"port" not in said:
        return None
    return int(said.get(b"config-epoch", 0)), (said[b"ip"].decode(), int(said[b"port"]))


async def _connected(url: RedisUrl, endpoint: Endpoint, timeout_s: float, on_lost: Callable[[], None]) -> Wire:
    loop = asyncio.get_running_loop()
    host, port = endpoint
    if not port:
        return (await loop.create_unix_connection(lambda: Wire(timeout_s, on_lost), host))[1]
    context = _context(url.ca_certs) if url.tls else None
    return (await loop.create_connection(lambda: Wire(timeout_s, on_lost), host, port, ssl=context))[1]


@lru_cache
def _context(ca_certs: str) -> ssl.SSLContext:
    """Return what TLS trusts; reading all certificates takes a while, and connecting may be tried often."""
    return ssl.create_default_context(cafile=ca_certs or None)


def spelled(endpoint: Endpoint) -> str:
    """Spell an endpoint as its node is named."""
    return f"{endpoint[0]}:{endpoint[1]}" if endpoint[1] else endpoint[0]


def _ignored() -> None:
    """Nobody needs to know that a connection of one question is closed."""
