"""Reads of a Redis Cluster: one piece to each node a turn; each node is believed, and is lost, by itself."""

# long: which node answers for what, and what happens when one is lost, is one decision

import asyncio
import contextlib
import random
from typing import Any

from app.core import tasks
from app.core.logging import log
from app.core.redis_slots import SLOTS, Ranges, View, newest, node_marker, read_view, slot_of, tagged_stem, trusted_value
from app.core.redis_url import Endpoint, RedisUrl
from app.serving.redis.link import Link, open_wire, spelled
from app.serving.redis.wire import Done, Group, RedisDown, Values, Wire, first_word, is_error

# The map of slots is looked at so often, and at once (but not more often than the least pause) when a node says it is wrong.
_FOLLOW_S = 2.0
_LEAST_PAUSE_S = 0.2
_VIEW_S = 0.5
_MOST_ASKED = 5
# A node that says so does not hold the slot, or not alone, or knows that the Cluster is broken.
_MOVED = {"MOVED", "ASK", "CLUSTERDOWN", "TRYAGAIN", "READONLY"}


class _Node:
    """One master: its connection, and what its markers must say."""

    __slots__ = ("link", "ranges")

    def __init__(self, link: Link, ranges: Ranges) -> None:
        self.link = link
        self.ranges = ranges

    def trusted(self, wire: Wire) -> bytes:
        """Return what a marker says when the process behind the wire is whole; empty when it can never be."""
        return trusted_value(wire.run_id.decode(), self.ranges).encode()


class _Part:
    """What one node is asked in a turn: markers of tenants, then keys slot by slot, then writes."""

    __slots__ = ("marks", "places", "reads", "writes")

    def __init__(self) -> None:
        self.marks: dict[int, int] = {}
        self.reads: list[list[str]] = []
        self.places: list[tuple[int, int, list[int]]] = []  # group, tenant, and the places of its keys, for each of `reads`
        self.writes: list[tuple[Any, ...]] = []

    def commands(self, ranges: Ranges) -> list[Any]:
        """Return what is sent."""
        marks = [["MGET", *(node_marker(tenant, ranges) for tenant in self.marks)]] if self.marks else []
        return [*marks, *self.reads, *self.writes]


class _Turn:
    """Collects what the nodes say until the last has spoken."""

    __slots__ = ("_done", "_values", "_waiting")

    def __init__(self, groups: list[Group], done: Done) -> None:
        self._values: list[Values | None] = [[None] * len(keys) for _, keys in groups]
        self._done = done
        self._waiting = 1

    def begin(self) -> None:
        """Wait for one more node."""
        self._waiting += 1

    def fail(self, part: _Part) -> None:
        """Give nothing to the groups that needed this node."""
        for group, _, _ in part.places:
            self._values[group] = None

    def take(self, part: _Part, replies: list[Any], trusted: bytes) -> None:
        """Give the values of one node to their groups."""
        marks = replies[0] if part.marks else []
        if not isinstance(marks, list) or not trusted:
            self.fail(part)
            return
        for (group, tenant, places), reply in zip(part.places, replies[1:], strict=False):
            values = self._values[group]
            if values is None:
                continue
            if not isinstance(reply, list) or marks[part.marks[tenant]] != trusted:
                self._values[group] = None
                continue
            for place, value in zip(places, reply, strict=True):
                values[place] = value

    def end(self) -> None:
        """One node less to wait for."""
        self._waiting -= 1
        if not self._waiting:
            self._done(self._values)


class Cluster:
    """The masters of a Cluster and the slots they hold, followed in the background."""

    def __init__(self, url: RedisUrl, timeout_s: float) -> None:
        self._url = url
        self._timeout = timeout_s
        self._nodes: dict[Endpoint, _Node] = {}
        self._table: list[_Node | None] = [None] * SLOTS
        self._following: asyncio.Task[None] | None = None
        self._moved = asyncio.Event()

    @property
    def up(self) -> bool:
        """Tell whether any node is connected."""
        return any(node.link.up for node in self._nodes.values())

    @property
    def run_id(self) -> str:
        """Name the processes behind the connections."""
        wires = [node.link.wire for node in self._nodes.values()]
        return ",".join(sorted(wire.run_id.decode() for wire in wires if wire is not None))

    def read(self, groups: list[Group], writes: list[tuple[Any, ...]], done: Done) -> None:
        """Ask every node for its share; see `RedisReader.read`."""
        turn = _Turn(groups, done)
        parts = self._parts(turn, groups, writes)
        for node, part in parts.items():
            wire = node.link.wire
            if wire is None:
                turn.fail(part)
            else:
                turn.begin()
                self._send(turn, node, part, wire)
        asyncio.get_running_loop().call_soon(turn.end)

    def _parts(self, turn: _Turn, groups: list[Group], writes: list[tuple[Any, ...]]) -> dict[_Node, _Part]:
        table = self._table
        parts: dict[_Node, _Part] = {}
        homeless = _Part()
        for group, (tenant, keys) in enumerate(groups):
            tag, wanted, places = "", list[str](), list[int]()
            for place, key in enumerate(keys):
                # keys of one person follow each other and share their tag, so they are read together
                if tag and key.startswith(tag):
                    wanted.append(key)
                    places.append(place)
                    continue
                tag = tagged_stem(key)
                node = table[slot_of(key)]
                part = homeless if node is None else parts.get(node) or parts.setdefault(node, _Part())
                part.marks.setdefault(tenant, len(part.marks))
                wanted, places = ["MGET", key], [place]
                part.reads.append(wanted)
                part.places.append((group, tenant, places))
        for write in writes:
            node = table[slot_of(str(write[1]))]
            if node is not None:
                (parts.get(node) or parts.setdefault(node, _Part())).writes.append(write)
        if homeless.places:
            turn.fail(homeless)
            self._look_again()
        return parts

    def _send(self, turn: _Turn, node: _Node, part: _Part, wire: Wire) -> None:
        trusted = node.trusted(wire)

        def take(replies: list[Any] | None) -> None:
            try:
                if replies is None:
                    turn.fail(part)
                    self._look_again()
                else:
                    self._check(replies)
                    turn.take(part, replies, trusted)
            finally:
                turn.end()

        wire.send(part.commands(node.ranges), take)

    async def call(self, commands: tuple[tuple[Any, ...], ...]) -> list[Any]:
        """Send each command to the node of its key; raises RedisDown when one of the nodes is away."""
        asked = []
        for command in commands:
            node = self._table[slot_of(str(command[1]))]
            wire = None if node is None else node.link.wire
            if wire is None:
                raise RedisDown("not connected")
            asked.append((wire, command))
        replies = [reply for (reply,) in await asyncio.gather(*(wire.ask((command,)) for wire, command in asked))]
        if self._check(replies):
            raise RedisDown("the slot moved")
        return replies

    def reconnect(self) -> None:
        """Begin following the Cluster; lost nodes are connected to again by themselves."""
        if self._following is None:
            self._following = asyncio.get_running_loop().create_task(self._follow())

    async def close(self) -> None:
        """Stop following and close every connection."""
        if self._following is not None:
            await tasks.stop(self._following)
        await asyncio.gather(*(node.link.close() for node in self._nodes.values()))

    def _check(self, replies: list[Any]) -> bool:
        """Count error replies; tell whether one says that the map of slots is wrong, which is then looked at again."""
        wrong = [reply for reply in replies if is_error(reply) and first_word(reply) in _MOVED]
        if wrong:
            self._look_again()
        return bool(wrong)

    def _look_again(self) -> None:
        self._moved.set()

    async def _follow(self) -> None:
        while True:
            try:
                view = newest(await self._views())
                if view is not None and view.owners != {endpoint: node.ranges for endpoint, node in self._nodes.items()}:
                    await self._use(view)
            except Exception as error:  # following must go on, whatever a node says
                log.error("redis.unreadable_slots", error=type(error).__name__, exc_info=error)
            await asyncio.sleep(_LEAST_PAUSE_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_FOLLOW_S):
                    await self._moved.wait()
            self._moved.clear()

    async def _use(self, view: View) -> None:
        gone = [node for endpoint, node in self._nodes.items() if endpoint not in view.owners]
        nodes: dict[Endpoint, _Node] = {}
        table: list[_Node | None] = [None] * SLOTS
        for endpoint, ranges in view.owners.items():
            old = self._nodes.get(endpoint)
            node = nodes[endpoint] = _Node(old.link if old is not None else self._link(endpoint), ranges)
            if old is None:
                node.link.reconnect()
            for first, last in ranges:
                table[first : last + 1] = [node] * (last + 1 - first)
        self._nodes, self._table = nodes, table
        log.info("redis.slots", nodes=sorted(spelled(endpoint) for endpoint in nodes), uncovered=table.count(None))
        await asyncio.gather(*(node.link.close() for node in gone))

    def _link(self, endpoint: Endpoint) -> Link:
        async def find() -> Endpoint:
            return endpoint

        return Link(self._url, self._timeout, find)

    async def _views(self) -> list[View]:
        """Ask some nodes that are connected how the Cluster looks; without any, those of the URL and those known before."""
        known = [endpoint for endpoint, node in self._nodes.items() if node.link.up]
        if not known:
            known = list(dict.fromkeys([*self._url.endpoints, *self._nodes]))
        asked = random.sample(known, min(_MOST_ASKED, len(known)))
        views = await asyncio.gather(*(self._view(endpoint) for endpoint in asked))
        return [view for view in views if view is not None]

    async def _view(self, endpoint: Endpoint) -> View | None:
        node = self._nodes.get(endpoint)
        wire = None if node is None or not node.link.up else node.link.wire
        opened = wire is None
        try:
            async with asyncio.timeout(_VIEW_S):
                if wire is None:
                    wire = await open_wire(self._url, endpoint, _VIEW_S, lambda: None)
                info, slots = await wire.ask([("CLUSTER", "INFO"), ("CLUSTER", "SLOTS")])
        except (OSError, TimeoutError, RedisDown):
            return None
        finally:
            if opened and wire is not None:
                wire.close()
        return read_view(info, slots, endpoint)
