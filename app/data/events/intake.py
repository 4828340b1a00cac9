"""Grouped commits: requests that wait at the same moment share one transaction, and each is answered after it has committed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.db import Database
from app.core.errors import Unavailable
from app.core.logging import log
from app.core.outage import or_unavailable
from app.core.telemetry import EVENTS_ACCEPTED, INTAKE_GROUP, INTAKE_REFUSED
from app.data.events import store
from app.data.events.accept import accept
from app.data.events.domain import Event
from app.data.identity.domain import MOST_IDS
from app.data.identity.purposes import ALLOWED, Defaults
from app.data.identity.vault import DataKeys

# One transaction takes up to so many events: more would keep the first of them waiting without being cheaper an event.
MOST_IN_A_GROUP = 5_000
# Transactions at the same time: while one waits for the disk, the other is prepared.
LANES = 2
# An idle lane keeps its connection so long, to spare the next request finding one.
_LINGER_S = 1.0
# What an event takes beside its payload while it waits, roughly.
_EVENT_BYTES = 600
_AWAY = "Events cannot be stored now; send them again."
Claim = Callable[[AsyncConnection, int, Collection[bytes], int | None], Awaitable[set[bytes]]]
_FULL = "More events wait than can be stored in time; send them again."


@dataclass
class Stored:
    """What became of a list of messages, by their position in it: `doubles` were stored before."""

    landed: set[int] = field(default_factory=set)
    doubles: set[int] = field(default_factory=set)
    no_consent: set[int] = field(default_factory=set)
    unknown_items: set[str] = field(default_factory=set)


@dataclass(eq=False)
class _Waiting:
    """A request's messages, each a list of events that share a message id, their bytes, and who waits for them."""

    tenant: int
    messages: Sequence[Sequence[Event]]
    claim: Claim
    events: int
    size: int
    done: asyncio.Future[Stored]


class _Lane:
    """A connection that transactions use one after the other; after a failure the next one gets a fresh connection."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._held = AsyncExitStack()
        self._connection: AsyncConnection | None = None

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction; commit at the end of the block, roll back and give the connection back on an error."""
        try:
            if self._connection is not None and (await _below(self._connection)).is_closed():
                await self.close()
            if self._connection is None:
                self._connection = await self._held.enter_async_context(self._db.engine.connect())
            connection = self._connection
            # the driver's own transaction: SQLAlchemy would ask before each whether the connection lives
            async with (await _below(connection)).transaction():
                yield connection
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Give the connection back."""
        self._connection = None
        await self._held.aclose()


class Intake:
    """Stores events of concurrent requests of one server process; bounded, so that a slow database cannot fill its memory.

    A transaction that fails for a reason that lies in the data is repeated request by request, so that one sender's fault
    costs no other sender anything.
    """

    def __init__(self, db: Database, keys: DataKeys, *, most_bytes: int, most_ids: int = MOST_IDS, defaults: Defaults = ALLOWED) -> None:
        self._db = db
        self._keys = keys
        self._most = most_bytes
        self._most_ids, self._defaults = most_ids, defaults
        self._waiting: list[_Waiting] = []
        self._bytes = 0
        self._lanes: set[asyncio.Task[None]] = set()
        self._open = 0
        self._idle = 0
        self._more = asyncio.Event()
        self._closing = False

    async def store(self, tenant: int, messages: Sequence[Sequence[Event]], claim: Claim = store.claim_messages) -> Stored:
        """Store messages and return what became of each, after the commit; raises Unavailable, and then none was stored.

        A sender that stops waiting leaves nothing behind, unless its messages are in a transaction already.
        """
        if not messages:
            return Stored()
        size = sum(len(event.payload or b"") + _EVENT_BYTES for message in messages for event in message)
        if self._bytes + size > self._most and self._bytes:
            INTAKE_REFUSED.inc(len(messages))
            raise Unavailable(_FULL, headers={"Retry-After": "1"})
        one = _Waiting(tenant, messages, claim, sum(map(len, messages)), size, asyncio.get_running_loop().create_future())
        self._waiting.append(one)
        self._bytes += size
        self._more.set()
        if not self._idle and self._open < LANES:
            self._open += 1
            lane = asyncio.create_task(self._run())
            self._lanes.add(lane)
            lane.add_done_callback(self._lanes.discard)
        # a sender that goes away does not take the others' transaction along
        try:
            return await asyncio.shield(one.done)
        except asyncio.CancelledError:
            if one in self._waiting:
                self._waiting.remove(one)
                self._bytes -= size
            raise

    async def close(self) -> None:
        """Finish what waits."""
        self._closing = True
        self._more.set()
        if self._lanes:
            await asyncio.wait(self._lanes)

    async def _run(self) -> None:
        lane = _Lane(self._db)
        try:
            await asyncio.sleep(0)  # requests of this turn of the loop come along; later ones gather during the commits
            while self._waiting or await self._awaited():
                if not self._waiting:
                    continue
                group = self._take()
                try:
                    await self._commit(lane, group)
                except Exception as error:
                    await self._apart(lane, group, error)
                finally:
                    self._bytes -= sum(one.size for one in group)
        finally:
            # from here on it takes nothing more: whoever comes while it gives its connection back opens another
            self._open -= 1
            await lane.close()

    async def _awaited(self) -> bool:
        """Wait a while for more requests; tell whether some came."""
        if self._closing:
            return False
        self._more.clear()
        self._idle += 1
        try:
            async with asyncio.timeout(_LINGER_S):
                await self._more.wait()
        except TimeoutError:
            return bool(self._waiting)
        finally:
            self._idle -= 1
        return True

    def _take(self) -> list[_Waiting]:
        """Take the requests that wait longest, all of one tenant and one way of claiming, up to the size of a group."""
        tenant, claim, room = self._waiting[0].tenant, self._waiting[0].claim, MOST_IN_A_GROUP
        group: list[_Waiting] = []
        left: list[_Waiting] = []
        for one in self._waiting:
            if one.tenant == tenant and one.claim is claim and (not group or one.events <= room):
                group.append(one)
                room -= one.events
            else:
                left.append(one)
        self._waiting = left
        return group

    async def _apart(self, lane: _Lane, group: list[_Waiting], error: Exception) -> None:
        """Tell senders that their events were not stored, after another try for each where the data may be to blame."""
        away = isinstance(error, Unavailable)
        for one in group:
            reason = error
            if len(group) > 1 and not away:
                try:
                    await self._commit(lane, [one])
                    continue
                except Exception as own:
                    reason = own
            if not one.done.done():
                one.done.set_exception(reason)
        if not away:
            log.error("intake.failed", error=type(error).__name__, requests=len(group), exc_info=error)

    async def _commit(self, lane: _Lane, group: list[_Waiting]) -> None:
        """Store a group in one transaction, then answer each of its requests."""
        seen: set[bytes] = set()
        events: list[Event] = []
        places: list[tuple[_Waiting, int]] = []
        outcomes = {id(one): Stored() for one in group}
        for one in group:
            for position, message in enumerate(one.messages):
                if message[0].message_id in seen:
                    outcomes[id(one)].doubles.add(position)
                    continue
                seen.add(message[0].message_id)
                events.extend(message)
                places.extend([(one, position)] * len(message))
        with or_unavailable(_AWAY):
            async with lane.begin() as connection:
                tenant, claim = group[0].tenant, group[0].claim
                told = await accept(
                    connection,
                    tenant,
                    events,
                    keys=self._keys,
                    claim=lambda ids: claim(connection, tenant, ids, None),
                    most_ids=self._most_ids,
                    defaults=self._defaults,
                )
        INTAKE_GROUP.observe(len(group))
        for kind, positions in (("landed", told.landed), ("doubles", told.duplicates), ("no_consent", told.no_consent)):
            for place in positions:
                one, position = places[place]
                getattr(outcomes[id(one)], kind).add(position)
        for place in told.landed:
            if (item := events[place].item_id) in told.unknown_items:
                outcomes[id(places[place][0])].unknown_items.add(str(item))
        for one in group:
            EVENTS_ACCEPTED.labels("http").inc(len(outcomes[id(one)].landed))
            if not one.done.done():
                one.done.set_result(outcomes[id(one)])


async def _below(connection: AsyncConnection) -> Any:
    found = (await connection.get_raw_connection()).driver_connection
    assert found is not None
    return found
