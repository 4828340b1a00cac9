"""Candidate lists in Redis, in bulk: is a list current, let it live longer, write it; one pipeline a node, one key a command."""

import asyncio
from collections.abc import Sequence
from typing import Any

from app.core import redis
from app.core.redis import Node, Nodes
from app.core.redis_slots import node_marker
from app.sends.batch import HEAD_BYTES
from app.sends.domain import Send

Command = tuple[Any, ...]


class Lists:
    """Reads and writes lists on every node; raises one of `redis.FAULTS` when a node that is needed is away."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes

    async def heads(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return how each list begins; None for none."""
        replies = await self._send([("GETRANGE", key, 0, HEAD_BYTES - 1) for key in keys])
        return [reply if isinstance(reply, bytes) else None for reply in replies]

    async def prolong(self, keys: Sequence[str], ttl_s: int) -> None:
        """Let lists live at least so long."""
        await self._send([("EXPIRE", key, ttl_s, "GT") for key in keys])

    async def write(self, values: Sequence[tuple[str, bytes]], ttl_s: int) -> list[str]:
        """Write lists; return what Redis said to those that it refused, else empty, in their order."""
        replies = await self._send([("SET", key, value, "EX", ttl_s) for key, value in values])
        return [str(reply) if isinstance(reply, Exception) else "" for reply in replies]

    async def kept(self, send: Send) -> bool:
        """Tell whether every node still bears the mark of this send's pass, so has lost nothing since it began."""
        values = await asyncio.gather(*(self._mark(node, send) for node in await self._nodes.all()))
        return all(value == _marked(send.pass_no) for value in values)

    async def mark(self, send: Send, pass_no: int, ttl_s: int) -> None:
        """Leave a mark on every node, which vanishes when the node loses what it holds."""
        for node in await self._nodes.all():
            await node.client.set(_mark_key(node, send), _marked(pass_no), ex=ttl_s)

    async def _mark(self, node: Node, send: Send) -> Any:
        await node.ready()
        return await redis.read(node.client, _mark_key(node, send))

    async def _send(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands, whose second part is their key, and return their replies; a refusal is returned as it is."""
        work: dict[Node, list[int]] = {}
        for place, command in enumerate(commands):
            work.setdefault(await self._nodes.of(command[1]), []).append(place)
        replies: list[Any] = [None] * len(commands)

        async def one(node: Node, places: list[int]) -> None:
            await node.ready()
            pipe = node.client.pipeline(transaction=False)
            for place in places:
                pipe.execute_command(*commands[place])
            try:
                found = await pipe.execute(raise_on_error=False)
            except redis.SILENT:
                node.fail()
                self._nodes.look_again()
                raise
            for place, reply in zip(places, found, strict=True):
                replies[place] = reply

        await asyncio.gather(*(one(node, places) for node, places in work.items()))
        if any(isinstance(reply, Exception) for reply in replies):
            self._nodes.look_again()
        return replies


def _mark_key(node: Node, send: Send) -> str:
    return f"{node_marker(send.tenant, node.ranges)}:send:{send.tenant}:{send.send_no}"


def _marked(pass_no: int) -> bytes:
    return str(pass_no).encode()
