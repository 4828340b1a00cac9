"""SQL of people's state: what events say about a person, states, positions, and the outbox."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Any, NamedTuple

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.db import Database, driver
from app.core.ids import PROBE
from app.data.people.facts import Events, read
from app.data.people.online import POINTER_FORMAT, STATE_FORMAT
from app.data.people.profile import PROFILE_FORMAT

SHARDS = 16
_SHARD_LOCK = 7_302

# All columns have a width of their own and none is null, so that rows can be read without looking at each. What a machine did says
# nothing of the person. A time in the future, as files may hold it, counts as the moment of arrival: it would be the newest for years.
_EVENTS = (
    "select person_no, coalesce(group_no, 0), coalesce(item_no, 0), kind, least(occurred_at, received_at), coalesce(order_key, 0), "
    "event_no, coalesce(quantity, 0::real), coalesce(value, 0::real), coalesce(signal, 0::smallint), on_site "
    "from event where tenant = {tenant} and person_no = any('{{{people}}}'::bigint[]) and mark is null"
)
_MEMBERS = """
select root_no, person_no, consent, coalesce(country, ''), country_at from person
where tenant = $1 and root_no = any($2::bigint[]) order by 1, 2
"""
_IDENTITIES = """
select p.root_no, i.key, i.is_primary and i.person_no = p.root_no
from person p join person_identity i on i.tenant = p.tenant and i.person_no = p.person_no
where p.tenant = $1 and p.root_no = any($2::bigint[]) order by i.created_at, i.key
"""
# Who has joined a group has no state of their own any more.
_LEAVE = """
delete from person_state where tenant = $1 and person_no in (
    select person_no from person where tenant = $1 and root_no = any($2::bigint[]) and person_no <> root_no
)
"""
_KEEP = """
insert into person_state (tenant, person_no, key, shard, seq, state, profile)
select $1, * from unnest($2::bigint[], $3::bytea[], $4::smallint[], $5::bigint[], $6::bytea[], $7::bytea[])
on conflict (tenant, person_no) do update set key = excluded.key, shard = excluded.shard, seq = excluded.seq, state = excluded.state,
profile = excluded.profile, updated_at = now()
"""
# One snapshot for both parts: the last event below the oldest open transaction is the place that was reached.
_NEWS = """
with last as materialized (
    select xid, event_no from event
    where tenant = :tenant and (xid, event_no) > (cast(:xid as text)::xid8, :event_no)
    and xid < pg_snapshot_xmin(pg_current_snapshot())
    order by xid desc, event_no desc limit 1
)
select coalesce(p.root_no, e.person_no) % :shards, array_agg(distinct coalesce(p.root_no, e.person_no)),
    extract(epoch from clock_timestamp() - min(e.received_at))::float8, count(*),
    min(last.xid::text), min(last.event_no)
from last, event e left join person p on p.tenant = e.tenant and p.person_no = e.person_no
where e.tenant = :tenant and (e.xid, e.event_no) > (cast(:xid as text)::xid8, :event_no)
and (e.xid, e.event_no) <= (last.xid, last.event_no) group by 1
"""
# The cluster changes when the data moves to another server or comes back from a backup: its transaction numbers mean
# nothing for positions kept before.
CLUSTER = "(select system_identifier::text from pg_control_system()) || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"


@dataclass(frozen=True, order=True)
class Position:
    """A place in the log of events: everything up to it was read."""

    xid: int = 0
    event_no: int = 0


@dataclass(frozen=True)
class News:
    """People with events after a position and the age of the oldest of these in seconds, by shard; the position that was reached."""

    people: dict[int, list[int]]
    reached: Position
    ages: dict[int, float]
    events: int


class Member(NamedTuple):
    """A member of a group: the consent that holds for all of it, and the country the member told, empty for none."""

    root_no: int
    person_no: int
    consent: bool | None
    country: str
    country_at: datetime | None


@dataclass(frozen=True)
class Letter:
    """A change that must reach Redis, and the seconds it has been waiting."""

    outbox_no: int
    kind: str
    person_no: int
    age_s: float


def shard_of(person_no: int) -> int:
    """Return the shard that owns a person."""
    return person_no % SHARDS


async def tenants(db: Database) -> list[int]:
    """Return the numbers of all tenants."""
    return [row[0] for row in await db.rows("select tenant from tenant order by tenant")]


async def cluster(db: Database) -> str:
    """Return what tells this database cluster, this history of it, and the form of its states and profiles from any other.

    A release that packs them in another form thereby computes all of them again.
    """
    return f"{(await db.rows(f'select {CLUSTER}'))[0][0]}/{STATE_FORMAT}{POINTER_FORMAT}.{PROFILE_FORMAT}"


async def positions(db: Database, tenant: int) -> dict[int, tuple[Position, str]]:
    """Return position and cluster of each shard that has one."""
    rows = await db.rows("select shard, xid::text, event_no, cluster from shard_position where tenant = :tenant", tenant=tenant)
    return {row[0]: (Position(int(row[1]), row[2]), row[3]) for row in rows}


async def set_positions(db: Database, tenant: int, shards: Sequence[int], reached: Position, cluster_id: str) -> None:
    """Store how far shards have read."""
    await db.run(
        "insert into shard_position (tenant, shard, xid, event_no, cluster) "
        "select :tenant, s, cast(:xid as text)::xid8, :event_no, :cluster from unnest(cast(:shards as smallint[])) s order by s "
        "on conflict (tenant, shard) do update set xid = excluded.xid, event_no = excluded.event_no, cluster = excluded.cluster",
        tenant=tenant,
        xid=str(reached.xid),
        event_no=reached.event_no,
        cluster=cluster_id,
        shards=list(shards),
    )


async def horizon(db: Database) -> Position:
    """Return the place below which no transaction can still add events."""
    rows = await db.rows("select pg_snapshot_xmin(pg_current_snapshot())::text")
    return Position(int(rows[0][0]) - 1, (1 << 63) - 1)


async def news(db: Database, tenant: int, after: Position) -> News | None:
    """Return the people with events after a position, up to where no transaction is still open; None when there are none.

    Only whole transactions below the snapshot's oldest open one are read: a slow one that commits late is met later,
    never passed over.
    """
    rows = await db.rows(
        _NEWS,
        shards=SHARDS,
        tenant=tenant,
        xid=str(after.xid),
        event_no=after.event_no,
    )
    if not rows:
        return None
    reached = Position(int(rows[0][4]), rows[0][5])
    return News({int(row[0]): row[1] for row in rows}, reached, {int(row[0]): row[2] for row in rows}, sum(row[3] for row in rows))


async def own(connection: AsyncConnection, tenant: int, shard: int) -> None:
    """Become the one writer of a shard until the transaction ends."""
    lock = {"space": _SHARD_LOCK, "shard": tenant * SHARDS + shard}
    await connection.execute(text("select pg_advisory_xact_lock(:space, :shard)"), lock)


async def events(connection: AsyncConnection, tenant: int, members: Mapping[int, int]) -> Events:
    """Return all events of people under their roots; `members` gives the root of each. Roots without an event are not in it."""
    copied = BytesIO()

    async def take(piece: bytes) -> None:
        copied.write(piece)

    query = _EVENTS.format(tenant=int(tenant), people=",".join(str(int(person)) for person in members))
    await (await driver(connection)).copy_from_query(query, output=take, format="binary")
    return read(copied.getvalue(), members)


async def members(connection: AsyncConnection, tenant: int, roots: Sequence[int]) -> list[Member]:
    """Return the members of groups by their roots, root by root; each root is a member of its own."""
    rows = await (await driver(connection)).fetch(_MEMBERS, tenant, list(roots))
    return [Member(root, person, None if consent is None else bool(consent), *rest) for root, person, consent, *rest in rows]


async def keys(connection: AsyncConnection, tenant: int, roots: Sequence[int]) -> dict[int, tuple[bytes, list[bytes]]]:
    """Return the primary key and the other keys of each group by its root."""
    primary: dict[int, bytes] = {}
    every: dict[int, list[bytes]] = {}
    for person, key, is_primary in await (await driver(connection)).fetch(_IDENTITIES, tenant, list(roots)):
        every.setdefault(person, []).append(key)
        if is_primary:
            primary[person] = key
    return {person: (first := primary.get(person, found[0]), [k for k in found if k != first]) for person, found in every.items()}


async def sequence(connection: AsyncConnection, count: int) -> list[int]:
    """Draw sequence numbers."""
    rows = await (await driver(connection)).fetch("select nextval('state_seq') from generate_series(1, $1)", count)
    return [row[0] for row in rows]


async def raise_sequence(db: Database) -> None:
    """Lift the sequence above any number that a Redis filled from another copy of this database may hold."""
    await db.rows(
        "select setval('state_seq', greatest((select last_value from state_seq), "
        "(extract(epoch from clock_timestamp()) * 1000000)::bigint))"
    )


async def keep(connection: AsyncConnection, tenant: int, rows: Sequence[tuple[int, bytes, int, int, bytes, bytes]]) -> None:
    """Store states of roots: (person_no, primary key, shard, seq, packed state, packed profile)."""
    await (await driver(connection)).execute(_LEAVE, tenant, [row[0] for row in rows])
    await (await driver(connection)).execute(_KEEP, tenant, *(list(column) for column in zip(*rows, strict=True)))


async def states(db: Database, tenant: int, after: int, limit: int) -> list[tuple[int, bytes, bytes, list[bytes]]]:
    """Return (person_no, primary key, packed state, other keys) of the next roots by number."""
    rows = await db.rows(
        "select s.person_no, s.key, s.state, array(select i.key from person m join person_identity i using (tenant, person_no) "
        "where m.tenant = s.tenant and m.root_no = s.person_no and i.key <> s.key) "
        "from person_state s join person p on p.tenant = s.tenant and p.person_no = s.person_no and p.root_no = p.person_no "
        "where s.tenant = :tenant and s.person_no > :after order by s.person_no limit :limit",
        tenant=tenant,
        after=after,
        limit=limit,
    )
    return [(row[0], row[1], row[2], list(row[3])) for row in rows]


async def people(db: Database, tenant: int, shard: int, after: int, limit: int) -> list[int]:
    """Return the next roots of a shard."""
    rows = await db.rows(
        "select person_no from person where tenant = :tenant and person_no % :shards = :shard and person_no > :after "
        "and root_no = person_no "
        "order by person_no limit :limit",
        tenant=tenant,
        shards=SHARDS,
        shard=shard,
        after=after,
        limit=limit,
    )
    return [row[0] for row in rows]


async def count_people(db: Database, tenant: int) -> int:
    """Return how many people a tenant knows, each group as one."""
    sql = "select count(*) from person where tenant = :tenant and root_no = person_no and person_no <> :probe"
    return int((await db.rows(sql, tenant=tenant, probe=PROBE))[0][0])


async def post(connection: AsyncConnection, tenant: int, kind: str, person_no: int, payload: dict[str, Any]) -> int:
    """Put a change into the outbox; return its number."""
    number = await connection.scalar(
        text(
            "insert into outbox (tenant, kind, person_no, payload) values (:tenant, :kind, :person, cast(:payload as jsonb)) "
            "returning outbox_no"
        ),
        {"tenant": tenant, "kind": kind, "person": person_no, "payload": orjson.dumps(payload).decode()},
    )
    assert number is not None
    return int(number)


async def letters(db: Database, tenant: int, after: int = 0, limit: int = 500) -> list[Letter]:
    """Return the oldest open changes behind a number that concern people's state, each under the root that is now theirs."""
    rows = await db.rows(
        "select o.outbox_no, o.kind, coalesce(p.root_no, o.person_no), extract(epoch from now() - o.created_at)::float8 from outbox o "
        "left join person p using (tenant, person_no) where o.tenant = :tenant and o.confirmed_at is null and o.outbox_no > :after "
        "and o.kind in ('consent', 'merge') and o.person_no is not null order by o.outbox_no limit :limit",
        tenant=tenant,
        after=after,
        limit=limit,
    )
    return [Letter(*row) for row in rows]


async def confirm(db: Database, tenant: int, numbers: Sequence[int]) -> None:
    """Mark changes as having reached Redis."""
    await db.run(
        "update outbox set confirmed_at = now() where tenant = :tenant and outbox_no = any(cast(:numbers as bigint[]))",
        tenant=tenant,
        numbers=list(numbers),
    )


async def confirmed(db: Database, tenant: int, outbox_no: int) -> bool:
    """Tell whether a change has reached Redis."""
    rows = await db.rows(
        "select confirmed_at is not null from outbox where tenant = :tenant and outbox_no = :number", tenant=tenant, number=outbox_no
    )
    return bool(rows and rows[0][0])
