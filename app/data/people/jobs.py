"""What the worker does about people: apply new events, deliver the outbox, keep Redis whole, rebuild."""

import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from app.core import redis
from app.core.db import Database
from app.core.logging import log
from app.core.settings import Settings
from app.core.telemetry import APPLY_LAG, EVENTS_APPLIED
from app.data.people import store
from app.data.people.publish import Published, Publisher
from app.data.people.state import PEOPLE_AT_ONCE, recompute
from app.data.people.store import SHARDS, Position

_STATES_AT_ONCE = 1000


class Applier:
    """Turns new events of one tenant into states.

    The position in PostgreSQL moves only after Redis has the states: whatever a crash or an outage interrupts is read and
    computed again, which changes nothing, since a state is a function of the set of events. While Redis is away states
    in PostgreSQL go on, from a position kept in memory.
    """

    def __init__(self, db: Database, settings: Settings, publisher: Publisher, tenant: int) -> None:
        self._db = db
        self._settings = settings
        self._publisher = publisher
        self._tenant = tenant
        self._at: Position | None = None
        self._saved: Position | None = None
        self._cluster = ""
        self._unpublished: set[int] = set()
        self.ready = False

    async def apply(self) -> int:
        """Apply what is new; return the number of events. Raises when PostgreSQL is away, and when Redis goes away."""
        at = self._at if self._at is not None else await self._begin()
        up = await self._publisher.up()
        found = await store.news(self._db, self._tenant, at)
        if found is None:
            APPLY_LAG.set(0)
        else:
            if found.oldest:
                APPLY_LAG.set((datetime.now(UTC) - found.oldest).total_seconds())
            self._unpublished.update(person for people in found.people.values() for person in people)
            for shard, people in found.people.items():
                await self._shard(shard, people, publish=up)
            self._at = found.reached
            EVENTS_APPLIED.inc(found.events)
        if up and self._unpublished:
            await self._publish_left()
        if self._at != self._saved and not self._unpublished:
            await self._save()
        self.ready = True
        return found.events if found else 0

    async def _begin(self) -> Position:
        """Find the position to go on from; on another cluster, or without one, everything is read again."""
        self._cluster = await store.cluster(self._db)
        kept = await store.positions(self._db, self._tenant)
        if len(kept) < SHARDS or any(cluster != self._cluster for _, cluster in kept.values()):
            log.info("state.from_the_beginning", tenant=self._tenant, moved=bool(kept))
            if kept:
                await self._publisher.distrust(self._tenant)
            await store.raise_sequence(self._db)
            start = Position()
        else:
            start = min(position for position, _ in kept.values())
        self._at = self._saved = start
        return start

    async def _shard(self, shard: int, people: Sequence[int], *, publish: bool) -> None:
        for first in range(0, len(people), PEOPLE_AT_ONCE):
            part = people[first : first + PEOPLE_AT_ONCE]
            states = await recompute(self._db, self._settings, self._tenant, shard, part)
            if publish:
                await self._publisher.publish(self._tenant, states)
                self._unpublished.difference_update(part)

    async def _publish_left(self) -> None:
        by_shard: dict[int, list[int]] = {}
        for person in self._unpublished:
            by_shard.setdefault(store.shard_of(person), []).append(person)
        for shard, people in by_shard.items():
            await self._shard(shard, people, publish=True)

    async def _save(self) -> None:
        if self._at is not None:
            await store.set_positions(self._db, self._tenant, range(SHARDS), self._at, self._cluster)
            self._saved = self._at

    def forget(self) -> None:
        """Take the position from PostgreSQL again: the server that comes back may be another one."""
        self._at = self._saved = None
        self.ready = False


async def deliver(db: Database, settings: Settings, publisher: Publisher, tenant: int) -> int:
    """Apply open changes of the outbox to states and Redis, and confirm them; return how many."""
    letters = await store.letters(db, tenant)
    by_shard: dict[int, set[int]] = {}
    for letter in letters:
        by_shard.setdefault(store.shard_of(letter.person_no), set()).add(letter.person_no)
    for shard, people in by_shard.items():
        await publisher.publish(tenant, await recompute(db, settings, tenant, shard, sorted(people)))
    if letters:
        await store.confirm(db, tenant, [letter.outbox_no for letter in letters])
    return len(letters)


async def keep_whole(db: Database, settings: Settings, publisher: Publisher, tenant: int) -> bool:
    """Write every state again when Redis is another process than the one that was whole; tell whether it was done."""
    run = await redis.run_id(publisher.client)
    if await publisher.marker(tenant) == run:
        await publisher.refresh_marker(tenant)
        if await publisher.renewal_due(tenant):
            # people without a new event must not expire: to serving they would be strangers
            await republish(db, publisher, tenant)
        return False
    await make_whole(db, settings, publisher, tenant, run)
    await publisher.renewal_due(tenant)
    return True


async def make_whole(db: Database, settings: Settings, publisher: Publisher, tenant: int, run: str) -> None:
    """Publish all states, drain the outbox, then say that Redis is whole."""
    nonce = secrets.token_hex(8)
    await publisher.begin_whole(tenant, nonce)
    count = await republish(db, publisher, tenant)
    while await deliver(db, settings, publisher, tenant):
        continue
    if await publisher.end_whole(tenant, nonce, run):
        log.info("state.whole", tenant=tenant, people=count)


async def republish(db: Database, publisher: Publisher, tenant: int) -> int:
    """Write every kept state to Redis; return how many."""
    after, count = -1, 0
    while rows := await store.states(db, tenant, after, _STATES_AT_ONCE):
        await publisher.publish(tenant, [Published(key, state, others) for _, key, state, others in rows])
        after, count = rows[-1][0], count + len(rows)
    return count


async def rebuild(
    db: Database, settings: Settings, publisher: Publisher, tenant: int, progress: Callable[[int, int], None] | None = None
) -> int:
    """Compute all states of a tenant from its events and publish them; `progress(done, all)`; return the number of people."""
    await store.raise_sequence(db)
    reached, cluster = await store.horizon(db), await store.cluster(db)
    run, nonce = await redis.run_id(publisher.client), secrets.token_hex(8)
    whole = await publisher.marker(tenant) == run
    if not whole:
        await publisher.begin_whole(tenant, nonce)
    everyone, done = await store.count_people(db, tenant), 0
    for shard in range(SHARDS):
        after = -1
        while people := await store.people(db, tenant, shard, after, PEOPLE_AT_ONCE):
            await publisher.publish(tenant, await recompute(db, settings, tenant, shard, people))
            after, done = people[-1], done + len(people)
            if progress:
                progress(done, max(everyone, done))
    await store.set_positions(db, tenant, range(SHARDS), reached, cluster)
    while await deliver(db, settings, publisher, tenant):
        continue
    if not whole:
        await publisher.end_whole(tenant, nonce, run)
    return done
