"""Grouped commits: requests that wait at the same moment share one transaction, and each is answered after it has committed."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.core.db import Database
from app.core.errors import Unavailable
from app.core.logging import log
from app.core.telemetry import EVENTS_ACCEPTED, INTAKE_GROUP, INTAKE_REFUSED
from app.data.events import store
from app.data.events.domain import Event
from app.data.events.service import accept
from app.data.people.keys import DataKeys
from app.data.reach import or_unavailable

# One transaction takes up to so many events: more would keep the first of them waiting without being cheaper an event.
MOST_IN_A_GROUP = 5_000
# What an event takes beside its payload while it waits, roughly.
_EVENT_BYTES = 600
_AWAY = "Events cannot be stored now; send them again."
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
    events: int
    size: int
    done: asyncio.Future[Stored]


class Intake:
    """Stores events of concurrent requests of one server process; bounded, so that a slow database cannot fill its memory.

    A transaction that fails for a reason that lies in the data is repeated request by request, so that one sender's fault
    costs no other sender anything.
    """

    def __init__(self, db: Database, keys: DataKeys, *, most_bytes: int) -> None:
        self._db = db
        self._keys = keys
        self._most = most_bytes
        self._waiting: list[_Waiting] = []
        self._bytes = 0
        self._task: asyncio.Task[None] | None = None

    async def store(self, tenant: int, messages: Sequence[Sequence[Event]]) -> Stored:
        """Store messages and return what became of each, after the commit; raises Unavailable, and then none was stored."""
        if not messages:
            return Stored()
        size = sum(len(event.payload or b"") + _EVENT_BYTES for message in messages for event in message)
        if self._bytes + size > self._most and self._bytes:
            INTAKE_REFUSED.inc(len(messages))
            raise Unavailable(_FULL, headers={"Retry-After": "1"})
        one = _Waiting(tenant, messages, sum(map(len, messages)), size, asyncio.get_running_loop().create_future())
        self._waiting.append(one)
        self._bytes += size
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        # a sender that goes away does not take the others' transaction along
        return await asyncio.shield(one.done)

    async def close(self) -> None:
        """Finish what waits."""
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        await asyncio.sleep(0)  # requests of this turn of the loop come along; later ones gather during the commit
        while self._waiting:
            group = self._take()
            try:
                await self._commit(group)
            except Exception as error:
                await self._apart(group, error)
            finally:
                self._bytes -= sum(one.size for one in group)

    def _take(self) -> list[_Waiting]:
        """Take the requests that wait longest, all of one tenant, up to the size of a group."""
        tenant, room = self._waiting[0].tenant, MOST_IN_A_GROUP
        group: list[_Waiting] = []
        left: list[_Waiting] = []
        for one in self._waiting:
            if one.tenant == tenant and (not group or one.events <= room):
                group.append(one)
                room -= one.events
            else:
                left.append(one)
        self._waiting = left
        return group

    async def _apart(self, group: list[_Waiting], error: Exception) -> None:
        """Tell senders that their events were not stored, after another try for each where the data may be to blame."""
        away = isinstance(error, Unavailable)
        for one in group:
            reason = error
            if len(group) > 1 and not away:
                try:
                    await self._commit([one])
                    continue
                except Exception as own:
                    reason = own
            if not one.done.done():
                one.done.set_exception(reason)
        if not away:
            log.error("intake.failed", error=type(error).__name__, requests=len(group), exc_info=error)

    async def _commit(self, group: list[_Waiting]) -> None:
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
            async with self._db.begin() as connection:
                tenant = group[0].tenant
                told = await accept(
                    connection, tenant, events, keys=self._keys, claim=lambda ids: store.claim_messages(connection, tenant, ids)
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
