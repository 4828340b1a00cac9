"""Erasure of a person: what PostgreSQL and Redis hold of them goes, and the events stay under a number that leads nowhere."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import text

from app.core.db import Database, driver
from app.core.ids import person_key
from app.core.settings import Settings
from app.data import outbox
from app.data.identity import merges, watched
from app.data.identity.domain import Identity
from app.data.online.publisher import Left, Publisher
from app.data.profiles import store

_ROOT = """
select p.root_no from person_identity i join person p on p.tenant = i.tenant and p.person_no = i.person_no
where i.tenant = $1 and i.key = $2
"""
_PEOPLE = "select person_no from person where tenant = $1 and root_no = $2 order by person_no for update"
_KEYS = "select key from person_identity where tenant = $1 and person_no = any($2::bigint[]) order by key"
_EVENTS = "select count(*) from event where tenant = $1 and person_no = any($2::bigint[])"
# Identities and merges go with the people.
_GONE = tuple(
    f"delete from {table} where tenant = $1 and person_no = any($2::bigint[])"
    for table in ("send_person", "segment_member", "segment_listed", "segment_move", "person_due", "person_state", "person")
)
_LINKED = "select from_no, to_no from person_merge where tenant = $1 and (from_no = any($2::bigint[]) or to_no = any($2::bigint[]))"
# What was refused and may name them: before anybody was known under the id, in somebody else's message, or in a body nobody could read.
_REFUSED = "delete from refused_event where tenant = $1 and (identity_key = any($2::bytea[]) or named && $2::bytea[])"
_OPEN = """
select outbox_no, payload from outbox where tenant = :tenant and kind = 'erasure' and confirmed_at is null order by outbox_no limit 100
"""
_KEPT = "select outbox_no, payload from outbox where tenant = :tenant and kind = 'erasure' and payload ? 'keys' order by outbox_no"
_FORGET = """
update outbox set payload = payload - 'keys'
where kind = 'erasure' and payload ? 'keys' and confirmed_at < now() - make_interval(days => :days)
"""


@dataclass(frozen=True)
class Receipt:
    """What was erased, when, and under which number of the outbox Redis is told; `events` stay, without a person."""

    receipt: int
    erased_at: datetime
    ids: int
    events: int


class _Erased(NamedTuple):
    number: int
    seq: int
    keys: list[bytes]


async def erase(db: Database, settings: Settings, tenant: int, identity: Identity, *, who: str = "morsel") -> Receipt | None:
    """Erase the person of an id, with all ids that are one person with it; None for an id that nobody knows.

    The people's data keys go, so what their events say in their own words can be read by nobody. Whoever computes the person's state
    at this moment is waited for; a message that is being stored lands under the erased number. The audit log names `who` did it, and the
    person by a hint only.
    """
    async with db.begin() as connection:
        await merges.lock(connection, tenant)
        below = await driver(connection)
        root = await below.fetchval(_ROOT, tenant, person_key(tenant, *identity))
        if root is None:
            return None
        await store.own(connection, tenant, store.shard_of(root))
        people = [row[0] for row in await below.fetch(_PEOPLE, tenant, root)]
        keys = [bytes(row[0]) for row in await below.fetch(_KEYS, tenant, people)]
        events = await below.fetchval(_EVENTS, tenant, people)
        linked = {person for row in await below.fetch(_LINKED, tenant, people) for person in row} - set(people)
        for statement in _GONE:
            await below.execute(statement, tenant, people)
        if linked:
            # an id that these people had no room for may be somebody else's now
            await merges.tell(connection, tenant, await merges.regroup(connection, tenant, linked, settings.person_ids))
        await below.execute(_REFUSED, tenant, keys)
        (seq,) = await store.sequence(connection, 1)
        payload = {"keys": [key.hex() for key in keys], "seq": seq, "ids": len(keys), "events": events}
        number = await outbox.post(connection, tenant, "erasure", root, payload)
        await watched.changed(connection, settings, tenant, who, "erase", identity, note=f"receipt {number}")
        at = await connection.scalar(text("select now()"))
        assert at is not None
        return Receipt(number, at, len(keys), events)


async def deliver(db: Database, publisher: Publisher, tenant: int) -> int:
    """Take erased people out of Redis and confirm it; return how many. What could not be done is open, and tried again."""
    erased = _read(await db.rows(_OPEN, tenant=tenant))
    if not erased:
        return 0
    left = await _forget(publisher, tenant, erased)
    await publisher.distrust_all(tenant, set().union(*left.values()))
    # lists are found by looking through all keys, once for all of these people
    swept = not left and await publisher.sweep(tenant, {key for one in erased for key in one.keys})
    done = [one.number for one in erased if swept]
    await outbox.confirm(db, tenant, done)
    if not swept:
        raise NotErased("people could not be taken out of Redis")
    return len(done)


class NotErased(RuntimeError):
    """Redis still holds something of people who were erased; it is tried again."""


async def reapply(db: Database, publisher: Publisher, tenant: int, only: Collection[str]) -> set[str]:
    """Take all people out of nodes by name who were erased while such a node may have kept an old copy; return the nodes that failed."""
    left = await _forget(publisher, tenant, _read(await db.rows(_KEPT, tenant=tenant)), only)
    return set().union(*left.values())


async def forget_keys(db: Database, settings: Settings) -> None:
    """Forget under which keys erased people lay, once no copy of Redis can hold them any more."""
    await db.run(_FORGET, days=settings.state_ttl_days)


async def _forget(publisher: Publisher, tenant: int, erased: list[_Erased], only: Collection[str] | None = None) -> Left:
    return await publisher.forget(tenant, [(key, one.seq) for one in erased for key in one.keys], only)


def _read(rows: Sequence[Any]) -> list[_Erased]:
    found = []
    for number, payload in rows:
        found.append(_Erased(number, int(payload["seq"]), [bytes.fromhex(key) for key in payload.get("keys", ())]))
    return found
