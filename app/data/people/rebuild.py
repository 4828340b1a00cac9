"""All states of a tenant computed anew from its events: `morsel rebuild`."""

import asyncio
import secrets
from collections.abc import Callable

from app.core import clock, tasks
from app.core.db import Database
from app.core.redis import Node
from app.core.settings import Settings
from app.data.events import log
from app.data.online.publisher import Publisher
from app.data.people.states import NotPublished, drain, end_whole
from app.data.privacy import erasing
from app.data.profiles import store
from app.data.profiles.compute import PEOPLE_AT_ONCE
from app.data.profiles.store import SHARDS
from app.data.segments.packing import recompute

Progress = Callable[[int, int], None]
_LANES = 3


async def rebuild(db: Database, settings: Settings, publisher: Publisher, tenant: int, progress: Progress | None = None) -> int:
    """Compute all states of a tenant from its events and publish them; `progress(done, all)`; return the number of people.

    Raises NotPublished when Redis did not take all; a node that did not is not believed until the worker has made it whole.
    """
    reader = store.follower(clock.held(settings))
    await store.raise_sequence(db)
    async with db.begin() as connection:
        reached, cluster = await log.horizon(connection), await reader.cluster(connection)
    nonce = secrets.token_hex(8)
    begun = await _begin(publisher, tenant, nonce)
    done, failing = await _recompute_all(db, settings, publisher, tenant, progress)
    if not failing:
        async with db.begin() as connection:
            await reader.move(connection, tenant, reached, cluster)
    failing |= await erasing.reapply(db, publisher, tenant, {node.name for node in begun})
    failing |= await drain(db, settings, publisher, tenant)
    await end_whole(publisher, tenant, begun, nonce, failing)
    if failing:
        await publisher.distrust_all(tenant, failing)
        raise NotPublished(f"states could not all be written to {', '.join(sorted(failing))}; the worker tries again")
    return done


async def _begin(publisher: Publisher, tenant: int, nonce: str) -> dict[Node, str]:
    """Begin to make nodes whole that are not; return these with the processes they are."""
    await publisher.nodes.refresh()
    begun: dict[Node, str] = {}
    for node in await publisher.nodes.all():
        process = await publisher.process(node)
        if await publisher.marker(tenant, node) != process:
            await publisher.begin_whole(tenant, node, nonce)
            begun[node] = process
    return begun


async def _recompute_all(
    db: Database, settings: Settings, publisher: Publisher, tenant: int, progress: Progress | None
) -> tuple[int, set[str]]:
    """Recompute everybody, shard by shard; return how many people there are, and the nodes that did not take all."""
    everyone, done = await store.count_people(db, tenant), 0
    failing: set[str] = set()
    shards = iter(range(SHARDS))

    async def lane() -> None:
        nonlocal done
        for shard in shards:
            after = -1
            while people := await store.people(db, tenant, shard, after, PEOPLE_AT_ONCE):
                left = await publisher.publish(tenant, await recompute(db, settings, tenant, shard, people))
                failing.update(*left.values())
                after, done = people[-1], done + len(people)
                if progress:
                    progress(done, max(everyone, done))

    # PostgreSQL, Redis and this process work at the same time, each on another shard
    lanes = [asyncio.create_task(lane()) for _ in range(_LANES)]
    try:
        await asyncio.gather(*lanes)
    finally:
        await tasks.stop(*lanes)
    return done, failing
