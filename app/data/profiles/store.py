"""SQL of people's state: what events say about a person, states, and what is new in the log."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core import locks
from app.core.db import Database, driver
from app.core.ids import PROBE
from app.data.events.log import Follower, Kept, Position, unread
from app.data.profiles.codec import PROFILE_FORMAT
from app.data.profiles.event_columns import Events, read
from app.data.profiles.orders import TELLING
from app.data.profiles.state_codec import FACTS_FORMAT, POINTER_FORMAT, STATE_FORMAT

SHARDS = 16

# All columns have a width of their own and none is null, so that rows can be read without looking at each. What a machine did says
# nothing of the person. A time in the future, as files may hold it, counts as the moment of arrival: it would be the newest for years.
_EVENTS = (
    "select e.person_no, coalesce(i.group_no, e.group_no, 0), coalesce(e.item_no, 0), e.kind, least(e.occurred_at, e.received_at), "
    "coalesce(e.order_key, 0), e.event_no, coalesce(e.quantity, 0::real), coalesce(e.value, 0::real), coalesce(e.signal, 0::smallint), "
    "e.on_site, "
    + TELLING
    # the group that an item is of now: what was known of it goes along when it joins another or leaves it
    + " from event e left join item i on i.tenant = e.tenant and i.item_no = e.item_no"
    " where e.tenant = {tenant} and e.person_no = any('{{{people}}}'::bigint[]) and e.mark is null"
)
# Of a clock that is held nothing later may be seen: back-tests would know what they are asked. The probe is no part of them.
_BEFORE = f" and (occurred_at < timestamptz 'epoch' + {{micros}} * interval '1 microsecond' or person_no = {PROBE})"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MEMBERS = """
select root_no, person_no, consent, coalesce(country, ''), country_at, traits::text, purposes::text from person
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
insert into person_state (tenant, person_no, key, shard, seq, digest, state, profile, facts)
select $1, * from unnest($2::bigint[], $3::bytea[], $4::smallint[], $5::bigint[], $6::bigint[], $7::bytea[], $8::bytea[], $9::bytea[])
on conflict (tenant, person_no) do update set key = excluded.key, shard = excluded.shard, seq = excluded.seq, digest = excluded.digest,
state = excluded.state, profile = excluded.profile, facts = excluded.facts, updated_at = now()
"""
# One snapshot for both parts: the last event below the oldest open transaction is the place that was reached.
_NEWS = f"""
with last as materialized (
    select e.xid, e.event_no from event e where e.tenant = $1 and {unread()} order by e.xid desc, e.event_no desc limit 1
)
select coalesce(p.root_no, e.person_no) % $4, array_agg(distinct coalesce(p.root_no, e.person_no)),
    extract(epoch from clock_timestamp() - min(e.received_at))::float8, count(*),
    min(last.xid::text), min(last.event_no)
from last, event e left join person p on p.tenant = e.tenant and p.person_no = e.person_no
where e.tenant = $1 and (e.xid, e.event_no) > ($2::text::xid8, $3)
and (e.xid, e.event_no) <= (last.xid, last.event_no) group by 1
"""


@dataclass(frozen=True)
class News:
    """People with events after a position and the age of the oldest of these in seconds, by shard; the position that was reached."""

    people: dict[int, list[int]]
    reached: Position
    ages: dict[int, float]
    events: int


class Member(NamedTuple):
    """A member of a group: the consent that holds for all of it, the member's country, empty for none, and traits and purposes as kept."""

    root_no: int
    person_no: int
    consent: bool | None
    country: str
    country_at: datetime | None
    traits: str = "{}"
    purposes: str = "{}"


def shard_of(person_no: int) -> int:
    """Return the shard that owns a person."""
    return person_no % SHARDS


def follower(held: datetime | None = None) -> Follower:
    """Return what follows the log for the states of people, as this release packs states and profiles.

    A release that packs them in another form, or a clock `held` at another moment, thereby computes all of them again.
    """
    as_of = f"@{held.isoformat()}" if held else ""
    return Follower("states", _NEWS, f"/{STATE_FORMAT}{POINTER_FORMAT}.{PROFILE_FORMAT}.{FACTS_FORMAT}{as_of}")


async def reached(db: Database, tenant: int) -> Kept | None:
    """Return how far states have come, of whatever log; None where no event was ever applied."""
    async with db.begin() as connection:
        return await follower().kept(connection, tenant)


async def news(db: Database, reader: Follower, tenant: int, after: Position) -> News | None:
    """Return the people with events after a position, up to where no transaction is still open; None when there are none."""
    async with db.begin() as connection:
        rows = await reader.news(connection, tenant, after, SHARDS)
    if not rows:
        return None
    reached = Position(int(rows[0][4]), rows[0][5])
    return News({int(row[0]): row[1] for row in rows}, reached, {int(row[0]): row[2] for row in rows}, sum(row[3] for row in rows))


async def own(connection: AsyncConnection, tenant: int, shard: int) -> None:
    """Become the one writer of a shard until the transaction ends."""
    lock = {"space": locks.STATE_SHARD, "shard": tenant * SHARDS + shard}
    await connection.execute(text("select pg_advisory_xact_lock(:space, :shard)"), lock)


async def events(connection: AsyncConnection, tenant: int, members: Mapping[int, int], before: datetime | None = None) -> Events:
    """Return all events of people under their roots (of those that happened `before` a moment, if one is given).

    `members` gives the root of each. Roots without an event are not in it.
    """
    copied = BytesIO()

    async def take(piece: bytes) -> None:
        copied.write(piece)

    query = _EVENTS.format(tenant=int(tenant), people=",".join(str(int(person)) for person in members))
    if before is not None:
        query += _BEFORE.format(micros=(before - _EPOCH) // timedelta(microseconds=1))
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


async def keep(connection: AsyncConnection, tenant: int, rows: Sequence[tuple[int, bytes, int, int, int, bytes, bytes, bytes]]) -> None:
    """Store states of roots: (person_no, primary key, shard, seq, digest of the history, packed state, packed profile, packed facts)."""
    await (await driver(connection)).execute(_LEAVE, tenant, [row[0] for row in rows])
    await (await driver(connection)).execute(_KEEP, tenant, *(list(column) for column in zip(*rows, strict=True)))


async def states(db: Database, tenant: int, after: int, limit: int) -> list[tuple[int, bytes, bytes, list[bytes], bytes]]:
    """Return (person_no, primary key, packed state, other keys, packed facts) of the next roots by number."""
    rows = await db.rows(
        "select s.person_no, s.key, s.state, array(select i.key from person m join person_identity i using (tenant, person_no) "
        "where m.tenant = s.tenant and m.root_no = s.person_no and i.key <> s.key), "
        "s.facts from person_state s join person p on p.tenant = s.tenant and p.person_no = s.person_no and p.root_no = p.person_no "
        "where s.tenant = :tenant and s.person_no > :after order by s.person_no limit :limit",
        tenant=tenant,
        after=after,
        limit=limit,
    )
    return [(row[0], row[1], row[2], list(row[3]), row[4]) for row in rows]


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
