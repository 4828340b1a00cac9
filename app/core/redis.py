"""Redis or Valkey off the fast path: clients with short timeouts and no hidden retries, for one server, Sentinel or Cluster."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as NoAnswer

from app.core import tasks
from app.core.logging import log
from app.core.redis_slots import SLOTS, Ranges, View, newest, read_view, slot_of
from app.core.redis_url import Endpoint, RedisUrl, parse_redis_url

FAULTS = (RedisError, OSError, TimeoutError)
"""What a call of a client may raise while Redis is away or refuses."""
SILENT = (NotConnected, NoAnswer, OSError, TimeoutError)
"""Those of them that say that Redis is away."""

# After a node failed to answer, it is left alone for a while, and then asked whether it is there before it is used.
_REST_S = 1.0
_PROBE_S = 0.25
_VIEW_S = 1.0
_MOST_ASKED = 5


def connect(url: str, *, timeout_ms: int = 50, connections: int = 8) -> Redis:
    """Return a client of one server, or of the master that Sentinels name, which fails after `timeout_ms` instead of trying again.

    The library's own defaults (5 s, ten retries) would hold a request for seconds when Redis is down.
    """
    found = parse_redis_url(url)
    if found.kind == "cluster":
        raise ValueError("this needs one Redis server, not a Cluster")
    options = _options(timeout_ms, connections)
    if found.kind == "single":
        return Redis.from_url(url, **options)
    login = {"username": found.sentinel_username or None, "password": found.sentinel_password or None}
    waits = {name: options[name] for name in ("socket_timeout", "socket_connect_timeout", "retry", "protocol")}
    sentinel = Sentinel(found.endpoints, sentinel_kwargs={**waits, **login, **_tls(found)})  # type: ignore[no-untyped-call]
    client: Redis = sentinel.master_for(found.service, **options, **_login(found), **_tls(found), db=found.database)
    return client


async def run_id(client: Redis) -> str:
    """Return the id that this Redis process drew at its start; a restarted or swapped Redis has another."""
    info = await client.info("server")
    return str(info.get("run_id") or info.get("server_run_id") or "")


async def read(client: Redis, key: str) -> bytes | None:
    """Return the string under a key; what is of another type is not ours, and is taken away."""
    try:
        value = await client.get(key)
    except ResponseError as error:
        if not str(error).startswith("WRONGTYPE"):
            raise
        await client.delete(key)
        return None
    return value if isinstance(value, bytes) else None


@dataclass(eq=False)
class Node:
    """One Redis process that holds keys of ours; `ranges` are its slots, or None where Redis is not a Cluster."""

    name: str
    client: Redis
    ranges: Ranges | None = None
    _resting_until: float = field(default=0.0, init=False)
    _failed: bool = field(default=False, init=False)

    async def ready(self) -> None:
        """Raise redis' ConnectionError while the node rests after a failure, or does not answer a question in time."""
        if not self._failed:
            return
        if time.monotonic() < self._resting_until:
            raise NotConnected(f"{self.name} rests after a failure")
        try:
            await asyncio.wait_for(self.client.ping(), _PROBE_S)
        except FAULTS:
            self.fail()
            raise
        self._failed = False

    def fail(self) -> None:
        """Leave the node alone for a while."""
        self._failed = True
        self._resting_until = time.monotonic() + _REST_S


class Nodes:
    """The Redis processes that hold Morsel's keys, and which holds what."""

    def __init__(self, url: str, *, timeout_ms: int = 50, connections: int = 8) -> None:
        self._url = parse_redis_url(url)
        self._options = _options(timeout_ms, connections)
        self._table: list[Node | None] = []
        self._nodes: dict[Endpoint, Node] = {}
        self._seeds: dict[Endpoint, Redis] = {}
        self._looking: asyncio.Task[None] | None = None
        self._only: Node | None = None
        if self._url.kind != "cluster":
            self._only = Node("redis", connect(url, timeout_ms=timeout_ms, connections=connections))

    async def of(self, key: str) -> Node:
        """Return the node that holds a key; raises redis' ConnectionError when there is none or nobody tells."""
        if self._only is not None:
            return self._only
        if not self._table:
            await self.refresh()
        node = self._table[slot_of(key)]
        if node is None:
            raise NotConnected("no node of the Cluster holds this slot")
        return node

    def name_of(self, key: str) -> str:
        """Name the node that holds a key, as far as is known now; empty when it is not."""
        node = self._only if self._only is not None else self._table[slot_of(key)] if self._table else None
        return node.name if node is not None else ""

    async def all(self) -> list[Node]:
        """Return every node; raises redis' ConnectionError when none of a Cluster can be found."""
        if self._only is None and not self._table:
            await self.refresh()
        return self.known()

    def known(self) -> list[Node]:
        """Return every node that was found so far."""
        return list(self._nodes.values()) if self._only is None else [self._only]

    async def refresh(self) -> None:
        """Look again who is master, or who holds which slots; raises redis' ConnectionError when nobody tells."""
        if self._only is None:
            await self._refresh_slots()
        elif isinstance(pool := self._only.client.connection_pool, SentinelConnectionPool):
            # the pool leaves a master that was replaced, also when that one still answers
            await pool.get_master_address()  # type: ignore[no-untyped-call]

    def look_again(self) -> None:
        """Refresh behind the caller's back, since a node moved or fell silent."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look())

    async def aclose(self) -> None:
        """Close every connection."""
        if self._looking is not None:
            await tasks.stop(self._looking)
        clients = [node.client for node in self._nodes.values()] + list(self._seeds.values())
        if self._only is not None:
            clients.append(self._only.client)
            if isinstance(pool := self._only.client.connection_pool, SentinelConnectionPool):
                clients += pool.sentinel_manager.sentinels
        await asyncio.gather(*(client.aclose() for client in clients), return_exceptions=True)

    async def _look(self) -> None:
        try:
            await self.refresh()
        except FAULTS as error:
            log.warning("redis.nobody_tells", error=type(error).__name__)

    async def _refresh_slots(self) -> None:
        for endpoint in self._url.endpoints:
            if endpoint not in self._nodes and endpoint not in self._seeds:
                self._seeds[endpoint] = self._client(endpoint)
        clients = {**self._seeds, **{endpoint: node.client for endpoint, node in self._nodes.items()}}
        view = await ask_view(list(clients.items()))
        if view is None:
            raise NotConnected("no node of the Redis Cluster answers")
        table: list[Node | None] = [None] * SLOTS
        gone = {endpoint: node for endpoint, node in self._nodes.items() if endpoint not in view.owners}
        for endpoint, ranges in view.owners.items():
            node = self._nodes.get(endpoint)
            if node is None:
                node = self._nodes[endpoint] = Node(f"{endpoint[0]}:{endpoint[1]}", self._client(endpoint))
            node.ranges = ranges
            for first, last in ranges:
                table[first : last + 1] = [node] * (last + 1 - first)
        self._table = table
        for endpoint in gone:
            del self._nodes[endpoint]
        await asyncio.gather(*(node.client.aclose() for node in gone.values()), return_exceptions=True)

    def _client(self, endpoint: Endpoint) -> Redis:
        return Redis(host=endpoint[0], port=endpoint[1], **self._options, **_login(self._url), **_tls(self._url))


async def ask_view(clients: Sequence[tuple[Endpoint, Redis]]) -> View | None:
    """Ask some nodes how the Cluster looks, all at once, and return the newest answer that came in time; None without any."""

    async def ask(endpoint: Endpoint, client: Redis) -> View | None:
        info = await client.execute_command("CLUSTER", "INFO")  # type: ignore[no-untyped-call]
        slots = await client.execute_command("CLUSTER", "SLOTS")  # type: ignore[no-untyped-call]
        return read_view(info, slots, endpoint)

    asked = [asyncio.ensure_future(ask(*one)) for one in _some(clients)]
    done, late = await asyncio.wait(asked, timeout=_VIEW_S)
    await tasks.stop(*late, again_s=_VIEW_S)
    return newest(view for task in done if not task.exception() and (view := task.result()) is not None)


def _some(clients: Sequence[Any]) -> Iterable[Any]:
    """Choose a few, other ones each time: a large Cluster need not be asked as a whole."""
    start = int(time.monotonic() * 1000) % max(1, len(clients))
    return (list(clients[start:]) + list(clients[:start]))[:_MOST_ASKED]


def _options(timeout_ms: int, connections: int) -> dict[str, Any]:
    return {
        "socket_timeout": timeout_ms / 1000,
        "socket_connect_timeout": timeout_ms / 1000,
        "retry": Retry(NoBackoff(), 0),
        "max_connections": connections,
        "protocol": 2,
        "decode_responses": False,
    }


def _login(url: RedisUrl) -> dict[str, Any]:
    return {"username": url.username or None, "password": url.password or None}


def _tls(url: RedisUrl) -> dict[str, Any]:
    return {"ssl": True, **({"ssl_ca_certs": url.ca_certs} if url.ca_certs else {})} if url.tls else {}
