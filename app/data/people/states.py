"""States of people kept current: new events applied, the outbox delivered, Redis kept whole."""

import secrets
import time
from collections.abc import Collection, Mapping, Sequence

from app.core import clock, redis
from app.core.db import Database
from app.core.logging import log
from app.core.redis import Node
from app.core.settings import Settings
from app.core.telemetry import EVENTS_APPLIED
from app.data import outbox
from app.data.events.log import Position
from app.data.online.backlog import Backlog
from app.data.online.freshness import Freshness
from app.data.online.publisher import Left, Publisher
from app.data.privacy import erasing
from app.data.profiles import store
from app.data.profiles.compute import PEOPLE_AT_ONCE
from app.data.profiles.state_codec import Published
from app.data.segments.packing import recompute

# A node that has not taken a state for so long is not believed any more; shorter failures are mended before anybody sees.
LATE_S = 2.0
_STATES_AT_ONCE = 1000
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0


class NotPublished(RuntimeError):
    """States that Redis did not take; they are tried again."""


class Applier:
    """Turns new events of one tenant into states.

    The position in PostgreSQL moves only after Redis has the states: whatever a crash or an outage interrupts is read and
    computed again, which changes nothing, since a state is a function of the set of events. While Redis is away, or takes
    no writes, states in PostgreSQL go on, from a position kept in memory. A node that takes none for `LATE_S` loses its
    marker: servers then read people from PostgreSQL instead of old states.
    """

    def __init__(self, db: Database, settings: Settings, publisher: Publisher, tenant: int) -> None:
        self._db = db
        self._settings = settings
        self._publisher = publisher
        self._tenant = tenant
        self._at: Position | None = None
        self._saved: Position | None = None
        self._cluster = ""
        self._follower = store.follower(clock.held(settings))
        self._backlog = Backlog()
        self._freshness = Freshness()
        self._tries = 0
        self._try_at = 0.0
        self.ready = False

    async def apply(self) -> int:
        """Apply what is new; return the number of events. Raises when PostgreSQL is away."""
        at = self._at if self._at is not None else await self._begin()
        found = await store.news(self._db, self._follower, self._tenant, at)
        self._freshness.arrived(found.ages if found else {}, measured=at != Position())
        if found is not None:
            for people in found.people.values():
                self._backlog.add(people)
            for shard, people in found.people.items():
                parts = range(0, len(people), PEOPLE_AT_ONCE)
                if all([await self._shard(shard, people[first : first + PEOPLE_AT_ONCE]) for first in parts]):
                    self._freshness.visible(shard)
            self._at = found.reached
            EVENTS_APPLIED.inc(found.events)
        if len(self._backlog) and time.monotonic() >= self._try_at:
            await self._publish_left()
        await self._publisher.distrust_all(self._tenant, self._backlog.late(LATE_S))
        if self._at != self._saved and not len(self._backlog):
            await self._save()
        self.ready = True
        return found.events if found else 0

    async def _begin(self) -> Position:
        """Find the position to go on from; on another cluster, or without one, everything is read again."""
        async with self._db.begin() as connection:
            self._cluster = await self._follower.cluster(connection)
            kept = await self._follower.kept(connection, self._tenant)
        if kept is None or kept.cluster != self._cluster:
            log.info("state.from_the_beginning", tenant=self._tenant, moved=kept is not None)
            if kept is not None:
                for node in await self._publisher.nodes.all():
                    await self._publisher.distrust(self._tenant, node)
            await store.raise_sequence(self._db)
            start = Position()
        else:
            start = kept.position
        self._at = self._saved = start
        return start

    async def _shard(self, shard: int, people: Sequence[int]) -> bool:
        """Compute and publish states of one shard; tell whether Redis took them all."""
        left = await self._publisher.publish(self._tenant, await recompute(self._db, self._settings, self._tenant, shard, people))
        self._backlog.tried(people, left)
        return not left

    async def _publish_left(self) -> None:
        """Try again what Redis did not take, in each shard up to a part of which something is left, after growing pauses."""
        by_shard: dict[int, list[int]] = {}
        for person in self._backlog.people():
            by_shard.setdefault(store.shard_of(person), []).append(person)
        for shard, people in by_shard.items():
            for first in range(0, len(people), PEOPLE_AT_ONCE):
                if not await self._shard(shard, people[first : first + PEOPLE_AT_ONCE]):
                    break
            else:
                self._freshness.visible(shard)
        self._tries = self._tries + 1 if len(self._backlog) else 0
        self._try_at = time.monotonic() + min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(self._tries, 10))

    async def _save(self) -> None:
        if self._at is not None:
            async with self._db.begin() as connection:
                # of the log that was read: the server may be another one since
                await self._follower.move(connection, self._tenant, self._at, self._cluster)
            self._saved = self._at

    def forget(self) -> None:
        """Take the position from PostgreSQL again: the server that comes back may be another one."""
        self._at = self._saved = None
        self.ready = False


async def deliver(
    db: Database, settings: Settings, publisher: Publisher, tenant: int, kinds: Sequence[str] = outbox.URGENT
) -> int:  # fmt: skip
    """Apply open changes of the outbox to states and Redis, and confirm them; return how many.

    Raises NotPublished when Redis did not take some, once all others are through.
    """
    count, failing = await _deliver(db, settings, publisher, tenant, kinds)
    if failing:
        raise NotPublished(f"open changes wait for {', '.join(sorted(failing))}")
    return count


async def _deliver(
    db: Database, settings: Settings, publisher: Publisher, tenant: int, kinds: Sequence[str] = outbox.URGENT
) -> tuple[int, set[str]]:  # fmt: skip
    """Try every open change once; return how many reached Redis, and the names of the nodes that did not take theirs."""
    after, count = 0, 0
    failing: set[str] = set()
    while letters := await outbox.letters(db, tenant, after, kinds=kinds):
        after = letters[-1].outbox_no
        by_shard: dict[int, set[int]] = {}
        for letter in letters:
            by_shard.setdefault(store.shard_of(letter.person_no), set()).add(letter.person_no)
        left: Left = {}
        for shard, people in by_shard.items():
            left |= await publisher.publish(tenant, await recompute(db, settings, tenant, shard, sorted(people)))
        reached = [letter.outbox_no for letter in letters if letter.person_no not in left]
        await outbox.confirm(db, tenant, reached)
        count += len(reached)
        failing |= set().union(*left.values())
        late = {letter.person_no for letter in letters if letter.age_s > LATE_S} & left.keys()
        await publisher.distrust_all(tenant, set().union(*(left[person] for person in late)))
    return count, failing


async def keep_whole(db: Database, settings: Settings, publisher: Publisher, tenant: int) -> bool:
    """Write every state again where a node is another process, or holds other slots, than when it was whole.

    Tell whether that was done. Raises one of `redis.FAULTS`, or NotPublished, when a node could not be seen to, once all
    others were.
    """
    broken: dict[Node, str] = {}
    due: set[str] = set()
    fault = await _refreshed(publisher)
    for node in publisher.nodes.known():
        try:
            process = await publisher.process(node)
            if await publisher.marker(tenant, node) != process:
                broken[node] = process
            else:
                await publisher.refresh_marker(tenant, node)
                if await publisher.renewal_due(tenant, node):
                    due.add(node.name)
        except redis.FAULTS as error:
            fault = error
    if due:
        # people without a new event must not expire: to serving they would be strangers
        await republish(db, publisher, tenant, due)
    if broken:
        await make_whole(db, settings, publisher, tenant, broken)
    if fault is not None:
        raise fault
    return bool(broken)


async def _refreshed(publisher: Publisher) -> Exception | None:
    """Look again who holds what; return the fault when nobody tells. What was known before is then gone by.

    That is safe: a marker that does not fit the nodes as they are now is not believed.
    """
    try:
        await publisher.nodes.refresh()
    except redis.FAULTS as error:
        return error
    return None


async def make_whole(db: Database, settings: Settings, publisher: Publisher, tenant: int, broken: Mapping[Node, str]) -> None:
    """Publish all states to nodes, drain the outbox, then say that they are whole, as the processes they are.

    Raises NotPublished when one could not be made whole, once the others are.
    """
    nonce = secrets.token_hex(8)
    failing: set[str] = set()
    begun: dict[Node, str] = {}
    for node, process in broken.items():
        try:
            await publisher.begin_whole(tenant, node, nonce)
            begun[node] = process
        except redis.FAULTS:
            failing.add(node.name)
    if begun:
        count, left = await republish(db, publisher, tenant, {node.name for node in begun})
        failing |= left | await erasing.reapply(db, publisher, tenant, {node.name for node in begun})
        failing |= await drain(db, settings, publisher, tenant)
        failing |= await end_whole(publisher, tenant, begun, nonce, failing)
        log.info("state.whole", tenant=tenant, people=count, nodes=sorted({node.name for node in begun} - failing))
    if lacking := {node.name for node in broken} & failing:
        raise NotPublished(f"states could not all be written to {', '.join(sorted(lacking))}")


async def drain(db: Database, settings: Settings, publisher: Publisher, tenant: int) -> set[str]:
    """Deliver until there is nothing more that can be; return the names of nodes that did not take theirs."""
    while True:
        count, failing = await _deliver(db, settings, publisher, tenant)
        if not count:
            return failing


async def end_whole(publisher: Publisher, tenant: int, begun: Mapping[Node, str], nonce: str, failing: Collection[str]) -> set[str]:
    """Say that nodes are whole which took everything and are the processes they were; return the names of the others."""
    await _refreshed(publisher)
    lacking: set[str] = set()
    for node, process in begun.items():
        try:
            whole = node.name not in failing and await publisher.end_whole(tenant, node, nonce, process)
            if whole:
                await publisher.renewal_due(tenant, node)
        except redis.FAULTS:
            whole = False
        if not whole:
            lacking.add(node.name)
    return lacking


async def republish(db: Database, publisher: Publisher, tenant: int, only: Collection[str]) -> tuple[int, set[str]]:
    """Write every kept state to nodes by name; return how many people there are, and the nodes that did not take all."""
    after, count = -1, 0
    failing: set[str] = set()
    while rows := await store.states(db, tenant, after, _STATES_AT_ONCE):
        states = [Published(key, state, others, person, facts) for person, key, state, others, facts in rows]
        left = await publisher.publish(tenant, states, only)
        failing |= set().union(*left.values())
        after, count = rows[-1][0], count + len(rows)
    return count, failing
