"""Writing people's state to Redis: only ever overwritten with a higher sequence, and a marker that says a node is whole."""

import asyncio
import hashlib
from collections.abc import Collection, Sequence
from typing import Any

from app.core import redis
from app.core.ids import facts_key, short, state_key
from app.core.logging import log
from app.core.redis import Node, Nodes
from app.core.redis_slots import node_marker, trusted_value
from app.core.telemetry import ERRORS
from app.data.profiles.state_codec import FACTS_FORMAT, POINTER_FORMAT, STATE_FORMAT, Published, pack_pointer, state_seq

# Bytes 3 to 10 hold the sequence, least byte first: compared from the last, without going through Lua's 53-bit numbers.
_NEWER = f"""
local old = redis.pcall('GETRANGE', KEYS[1], 0, 9)
local form = type(old) == 'string' and #old == 10 and string.byte(old, 1)
if form == {STATE_FORMAT} or form == {POINTER_FORMAT} or form == {FACTS_FORMAT} then
  for i = 10, 3, -1 do
    local was, is = string.byte(old, i), string.byte(ARGV[1], i)
    if was > is then return 0 end
    if was < is then break end
  end
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
"""
_NEWER_SHA = hashlib.sha1(_NEWER.encode(), usedforsecurity=False).hexdigest()
_WHOLE = """
if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return 1
"""
_WRITING = "writing:"
MARKER_TTL_S = 7 * 86_400
_AT_ONCE = 300
_FORGOTTEN_TTL_S = 86_400
_SCANNED_AT_ONCE = 2000
# Stands for a node where no node is known that holds a key.
NOBODY = "nobody"

Left = dict[int, set[str]]
"""People whose state is not in Redis as it should be, and the names of the nodes that did not take it."""


class Publisher:
    """Writes states of people to Redis. `publish` tells what it could not write; all else raises one of `redis.FAULTS`."""

    def __init__(self, nodes: Nodes, ttl_days: int) -> None:
        self.nodes = nodes
        self._ttl_s = ttl_days * 86_400

    async def publish(self, tenant: int, states: Sequence[Published], only: Collection[str] | None = None) -> Left:
        """Write states and pointers, on all nodes or on some by name; return who is left.

        A value that Redis holds with a higher sequence stays, and counts as written.
        """
        found = [(state.person_no, *command) for state in states for command in self._commands(tenant, state)]
        return await self._write(found, only)

    async def forget(self, tenant: int, keys: Sequence[tuple[bytes, int]], only: Collection[str] | None = None) -> Left:
        """Overwrite what lies under keys, unless it is of a later sequence than told with each; return what is left, by that sequence.

        What takes its place leads nowhere, and goes after a day: until then a state that was read before cannot come back.
        """
        found = []
        for key, seq in keys:
            for name in (state_key(tenant, key), facts_key(tenant, key)):
                found.append((seq, name, ("EVALSHA", _NEWER_SHA, 1, name, pack_pointer(bytes(12), seq), _FORGOTTEN_TTL_S)))
        return await self._write(found, only)

    async def sweep(self, tenant: int, keys: Collection[bytes]) -> bool:
        """Delete the scored lists, and what was shown, under keys; tell whether all nodes were gone through.

        All that Redis holds is looked through.
        """
        tags = {f"{tenant}.{short(key)}" for key in keys}
        try:
            for node in await self.nodes.all():
                await node.ready()
                async for name in node.client.scan_iter(match=f"m:{{{tenant}.*}}:[cn]*", count=_SCANNED_AT_ONCE):
                    if name.decode(errors="replace").partition("{")[2].partition("}")[0] in tags:
                        await node.client.unlink(name)
        except redis.FAULTS as error:
            _count(error)
            return False
        return True

    async def _write(self, commands: Sequence[tuple[int, str, tuple[Any, ...]]], only: Collection[str] | None) -> Left:
        """Send commands, each with whom it is about and its key, to the nodes that hold the keys; return who is left."""
        left: Left = {}
        try:
            at_once = _AT_ONCE * len(await self.nodes.all())
        except redis.FAULTS as error:
            _count(error)
            return {person: {NOBODY} for person, _, _ in commands}
        for first in range(0, len(commands), at_once):
            work: dict[Node, list[tuple[int, tuple[Any, ...]]]] = {}
            for person, key, command in commands[first : first + at_once]:
                try:
                    node = await self.nodes.of(key)
                except redis.FAULTS:
                    left.setdefault(person, set()).add(NOBODY)
                    continue
                if only is None or node.name in only:
                    work.setdefault(node, []).append((person, command))
            for node, failed in zip(work, await asyncio.gather(*(_send(node, work[node]) for node in work)), strict=True):
                for person in failed:
                    left.setdefault(person, set()).add(node.name)
        if left:
            self.nodes.look_again()
        return left

    def _commands(self, tenant: int, state: Published) -> list[tuple[str, tuple[Any, ...]]]:
        key = state_key(tenant, state.key)
        found: list[tuple[str, tuple[Any, ...]]] = [(key, ("EVALSHA", _NEWER_SHA, 1, key, state.state, self._ttl_s))]
        if state.facts:
            own = facts_key(tenant, state.key)
            found.append((own, ("EVALSHA", _NEWER_SHA, 1, own, state.facts, self._ttl_s)))
        if state.others:
            pointer = pack_pointer(state.key, state_seq(state.state) or 0)
            for key in (state_key(tenant, other) for other in state.others):
                found.append((key, ("EVALSHA", _NEWER_SHA, 1, key, pointer, self._ttl_s)))
        return found

    async def process(self, node: Node) -> str:
        """Return what the marker of a node says when the node is whole as it is now."""
        await node.ready()
        return trusted_value(await redis.run_id(node.client), node.ranges)

    async def marker(self, tenant: int, node: Node) -> str:
        """Return what the marker of a node says; empty when there is none."""
        value = await redis.read(node.client, node_marker(tenant, node.ranges))
        return value.decode(errors="replace") if value is not None else ""

    async def begin_whole(self, tenant: int, node: Node, nonce: str) -> None:
        """Mark a node's states as being written; a flush that happens meanwhile takes this mark away."""
        await node.client.set(node_marker(tenant, node.ranges), _WRITING + nonce, ex=MARKER_TTL_S)

    async def end_whole(self, tenant: int, node: Node, nonce: str, process: str) -> bool:
        """Mark a node as whole; False when it was emptied, or given other slots, since `begin_whole`."""
        if await self.process(node) != process:
            return False
        key = node_marker(tenant, node.ranges)
        return bool(await node.client.eval(_WHOLE, 1, key, _WRITING + nonce, process, str(MARKER_TTL_S)))

    async def distrust(self, tenant: int, node: Node) -> bool:
        """Take the marker of a node away, which also a full Redis allows; tell whether there was one that said whole."""
        await node.ready()
        found = await self.marker(tenant, node)
        if not found or found.startswith(_WRITING):
            return False
        await node.client.delete(node_marker(tenant, node.ranges))
        return True

    async def distrust_all(self, tenant: int, names: Collection[str]) -> None:
        """Take the markers of nodes by name; one that cannot be reached keeps it, and is tried again by the caller's next turn."""
        for node in self.nodes.known():
            if node.name in names:
                try:
                    if await self.distrust(tenant, node):
                        log.warning("state.distrusted", tenant=tenant, node=node.name)
                except redis.FAULTS as error:
                    log.debug("state.trusted_still", tenant=tenant, node=node.name, error=type(error).__name__)

    async def refresh_marker(self, tenant: int, node: Node) -> None:
        """Keep the marker from expiring."""
        await node.client.expire(node_marker(tenant, node.ranges), MARKER_TTL_S)

    async def renewal_due(self, tenant: int, node: Node) -> bool:
        """Tell whether the states should be written again so that none expires; says so once in a third of their life."""
        key = f"{node_marker(tenant, node.ranges)}:renewed"
        if await node.client.ttl(key) == -1:  # not ours, which all expire
            await node.client.delete(key)
        return bool(await node.client.set(key, b"1", nx=True, ex=max(60, self._ttl_s // 3)))


async def _send(node: Node, commands: Sequence[tuple[int, tuple[Any, ...]]]) -> set[int]:
    """Send commands of people to one node in one piece; return the people of whom one was not carried out."""
    everybody = {person for person, _ in commands}
    try:
        await node.ready()
    except redis.FAULTS:
        return everybody
    try:
        pipe = node.client.pipeline(transaction=False)
        pipe.execute_command("SCRIPT", "LOAD", _NEWER)
        for _, command in commands:
            pipe.execute_command(*command)
        replies = await pipe.execute(raise_on_error=False)
    except redis.FAULTS as error:
        if isinstance(error, redis.SILENT):
            node.fail()
        _count(error)
        return everybody
    refused = [(person, reply) for (person, _), reply in zip(commands, replies[1:], strict=True) if isinstance(reply, Exception)]
    for _, reply in refused:
        _count(reply)
    return {person for person, _ in refused}


def _count(error: BaseException) -> None:
    ERRORS.labels("redis", type(error).__name__).inc()
