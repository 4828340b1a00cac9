"""One read a request, shared: all keys that requests of one loop turn need go to Redis in one MGET."""

import asyncio
from typing import Any

from app.core import ids
from app.serving.redis_reader import RedisDown, RedisReader


class Lookup:
    """Coalesced reads of Redis, and writes that leave with the turn.

    Every batch also reads the tenant's marker: values count only while it names the very Redis process that answers,
    since a Redis that was restored from an old copy holds old consent.
    """

    def __init__(self, reader: RedisReader) -> None:
        self.reader = reader
        self._keys: list[str] = []
        self._slots: list[tuple[int, int, int, asyncio.Future[list[bytes | None]]]] = []
        self._writes: list[tuple[Any, ...]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._scheduled = False

    async def get(self, tenant: int, keys: list[str]) -> list[bytes | None]:
        """Return the values of keys; raises RedisDown when Redis is away or cannot be trusted yet."""
        if not self.reader.up:
            self.reader.reconnect()
            raise RedisDown("not connected")
        future: asyncio.Future[list[bytes | None]] = asyncio.get_running_loop().create_future()
        start = len(self._keys)
        self._keys.extend(keys)
        self._slots.append((tenant, start, len(self._keys), future))
        self._schedule()
        return await future

    def write(self, *command: Any) -> None:
        """Send a command with this turn's batch, without waiting; it is lost when Redis is away."""
        if self.reader.up and len(self._writes) < 10_000:
            self._writes.append(command)
            self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        keys, slots, writes = self._keys, self._slots, self._writes
        self._keys, self._slots, self._writes, self._scheduled = [], [], [], False
        task = asyncio.get_running_loop().create_task(self._run(keys, slots, writes))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, keys: list[str], slots: list[Any], writes: list[tuple[Any, ...]]) -> None:
        tenants = sorted({slot[0] for slot in slots})
        commands = list(writes)
        if slots:
            commands.append(("MGET", *(ids.marker_key(tenant) for tenant in tenants), *keys))
        try:
            replies = await self.reader.call(*commands)
            values = replies[-1]
            if slots and not isinstance(values, list):
                raise RedisDown(str(values))
        except RedisDown as error:
            for slot in slots:
                if not slot[3].done():
                    slot[3].set_exception(error)
            return
        run_id = self.reader.run_id.encode()
        for tenant, start, end, future in slots:
            if future.done():
                continue
            if values[tenants.index(tenant)] != run_id:
                future.set_exception(RedisDown("the online state is not whole yet"))
            else:
                future.set_result(values[len(tenants) + start : len(tenants) + end])
