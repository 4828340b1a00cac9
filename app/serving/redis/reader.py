"""The fast path's door to Redis: pipelined, with a hard time-out, a breaker, and no retry; one server, Sentinel or Cluster.

While the breaker is open a read costs nothing; a background attempt closes it again.
"""

# long: three kinds of servers behind one door

import asyncio
import contextlib
from collections.abc import Set
from typing import Any

from app.core import ids, tasks
from app.core.redis_url import Endpoint, RedisUrl, parse_redis_url
from app.serving.redis.cluster import Cluster
from app.serving.redis.link import Link, ask_sentinels
from app.serving.redis.wire import Done, Group, RedisDown, Values, first_word, is_error

__all__ = ["Done", "Group", "RedisDown", "RedisReader", "Values"]

# A master that was replaced may still answer: Sentinels are asked so often whether it is the master.
_FOLLOW_S = 1.0


class RedisReader:
    """Reads of one loop turn, and single commands. `run_id` names the Redis processes behind the connections."""

    def __init__(self, url: str, timeout_ms: int) -> None:
        found = parse_redis_url(url)
        timeout_s = timeout_ms / 1000
        self._route = Cluster(found, timeout_s) if found.kind == "cluster" else _One(found, timeout_s)
        self._doubted: Set[str] = frozenset()
        self._doubted_tenants: Set[int] = frozenset()

    @property
    def up(self) -> bool:
        """Tell whether a connection is open."""
        return self._route.up

    @property
    def run_id(self) -> str:
        """Name the Redis process behind the connection, several with commas; empty without one."""
        return self._route.run_id

    def read(self, groups: list[Group], writes: list[tuple[Any, ...]], done: Done) -> None:
        """Read groups of (tenant, keys) and send writes (command, key, ...) along, in one piece to each node.

        `done` is called once, by the loop, never from within: for each group with the values of its keys, or with None when
        Redis is down, late, or its process is not the one that the tenant's marker names; on a Cluster when that is so for one
        of the nodes that hold the group's keys. Results of writes are only counted.
        """
        if not self._doubted:
            self._route.read(groups, writes, done)
            return
        doubted, tenants = self._doubted, self._doubted_tenants
        asked = [place for place, (tenant, keys) in enumerate(groups) if tenant not in tenants and doubted.isdisjoint(keys)]

        def spread(results: list[Values | None]) -> None:
            found: list[Values | None] = [None] * len(groups)
            for place, values in zip(asked, results, strict=True):
                found[place] = values
            done(found)

        self._route.read([groups[place] for place in asked], writes, spread)

    def doubt(self, keys: Set[str], tenants: Set[int] = frozenset()) -> None:
        """Give nothing to groups with one of these keys, or of these tenants (then there are keys too), until told otherwise.

        Redis is known to hold older values of them.
        """
        self._doubted, self._doubted_tenants = keys, tenants

    async def call(self, *commands: tuple[Any, ...]) -> list[Any]:
        """Send commands (name, key, ...) together and return their replies; raises RedisDown. An error reply is returned as it is."""
        return await self._route.call(commands)

    def reconnect(self) -> None:
        """Begin connecting in the background, unless that is under way."""
        self._route.reconnect()

    async def close(self) -> None:
        """Close the connections and stop connecting."""
        await self._route.close()


class _One:
    """One server, or the master that Sentinels name."""

    def __init__(self, url: RedisUrl, timeout_s: float) -> None:
        self._url = url
        self._link = Link(url, timeout_s, self._find)
        self._following: asyncio.Task[None] | None = None

    @property
    def up(self) -> bool:
        return self._link.up

    @property
    def run_id(self) -> str:
        wire = self._link.wire
        return "" if wire is None else wire.run_id.decode()

    def read(self, groups: list[Group], writes: list[tuple[Any, ...]], done: Done) -> None:
        wire = self._link.wire
        commands: list[Any] = list(writes)
        places: dict[int, int] = {}
        if groups:
            for tenant, _ in groups:
                places.setdefault(tenant, len(places))
            command = ["MGET", *map(ids.marker_key, places)]
            for _, keys in groups:
                command += keys
            commands.append(command)
        if wire is None or not commands:
            asyncio.get_running_loop().call_soon(done, _nothing(groups))
            return
        run_id = wire.run_id

        def take(replies: list[Any] | None) -> None:
            if replies is None:
                done(_nothing(groups))
                return
            for reply in replies:
                if is_error(reply) and first_word(reply) == "READONLY" and run_id:
                    wire.close()  # it was a master: whoever is one now is found by connecting again
            done(_sorted_out(groups, places, replies[-1], run_id) if groups else [])

        wire.send(commands, take)

    async def call(self, commands: tuple[tuple[Any, ...], ...]) -> list[Any]:
        wire = self._link.wire
        if wire is None:
            raise RedisDown("not connected")
        replies = await wire.ask(commands)
        for reply in replies:
            is_error(reply)  # counts it
        return replies

    def reconnect(self) -> None:
        if not self._link.up:
            self._link.reconnect()
        if self._url.kind == "sentinel" and self._following is None:
            self._following = asyncio.get_running_loop().create_task(self._follow())

    async def close(self) -> None:
        if self._following is not None:
            await tasks.stop(self._following)
        await self._link.close()

    async def _find(self) -> Endpoint:
        return await ask_sentinels(self._url) if self._url.kind == "sentinel" else self._url.endpoints[0]

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(_FOLLOW_S)
            with contextlib.suppress(RedisDown):
                if self._link.up and await ask_sentinels(self._url) != self._link.endpoint:
                    self._link.drop()


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
