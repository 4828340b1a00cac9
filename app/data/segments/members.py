"""Who is in a segment, who came and went, how large it is, and lists that are uploaded."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import NamedTuple

from app.core.db import Database, driver
from app.core.ids import IdentityKind, person_key
from app.data import outbox
from app.data.segments import store

MOST_LISTED = 1_000_000
_SHOWN_UNKNOWN = 20
_AT_ONCE = 5_000
_COUNTED = 10_000
_NUMBER = "select segment_no from segment where tenant = $1 and name = $2"
_MEMBERS = """
select m.person_no, m.since, i.kind, i.value from segment_member m
cross join lateral (
    select i.kind, i.value from person p join person_identity i on i.tenant = p.tenant and i.person_no = p.person_no
    where p.tenant = m.tenant and p.root_no = m.person_no order by i.kind, p.person_no <> p.root_no, i.created_at, i.value limit 1
) i
where m.tenant = $1 and m.segment_no = $2 and m.person_no > $3 order by m.person_no limit $4
"""
_SIZE = "select count(*) from segment_member where tenant = $1 and segment_no = $2"
_TREND = "select at, size from segment_size where tenant = $1 and segment_no = $2 and at >= $3 order by at"
_MOVES = """
select m.move_no, m.person_no, m.entered, m.at, i.kind, i.value from segment_move m
left join lateral (
    select i.kind, i.value from person p join person_identity i on i.tenant = p.tenant and i.person_no = p.person_no
    where p.tenant = m.tenant and p.root_no = m.person_no order by i.kind, p.person_no <> p.root_no, i.created_at, i.value limit 1
) i on true
where m.tenant = $1 and m.segment_no = $2 and m.move_no < $3
order by m.move_no desc limit $4
"""
# small ones are counted, of large ones the size is as it was kept last
_SIZES = """
select s.segment_no, (
    select count(*) from (select 1 from segment_member m where m.tenant = s.tenant and m.segment_no = s.segment_no limit $2 + 1) few
), (
    select z.size from segment_size z where z.tenant = s.tenant and z.segment_no = s.segment_no order by z.at desc limit 1
), (
    select array_agg(kept.size order by kept.day) from (
        select day, (
            select z.size from segment_size z where z.tenant = s.tenant and z.segment_no = s.segment_no and z.at <= day
            order by z.at desc limit 1
        ) as size from generate_series($3::timestamptz, $4::timestamptz, interval '1 day') day
    ) kept where kept.size is not null
) from segment s where s.tenant = $1 and s.published is not null
"""
_OVERLAP = """
select o.segment_no, count(*) from segment_member m join segment_member o
on o.tenant = m.tenant and o.person_no = m.person_no and o.segment_no <> m.segment_no
where m.tenant = $1 and m.segment_no = $2 group by 1
"""
_PEOPLE = "select key, person_no from person_identity where tenant = $1 and key = any($2::bytea[])"
_UNLIST = "delete from segment_listed where tenant = $1 and segment_no = $2 returning person_no"
_LIST = "insert into segment_listed (tenant, segment_no, person_no) select $1, $2, unnest($3::bigint[]) on conflict do nothing"


class Member(NamedTuple):
    """Somebody in a segment: the strongest id, and since when."""

    person_no: int
    since: datetime
    kind: str
    value: str


class Move(NamedTuple):
    """Somebody entered or left: their strongest id, None for both once they are erased."""

    number: int
    person_no: int
    entered: bool
    at: datetime
    kind: str | None
    value: str | None


class Listed(NamedTuple):
    """What came of a list: people in it, ids that nobody has, and some of these."""

    people: int
    unknown: int
    examples: list[str]


async def number(db: Database, tenant: int, name: str) -> int:
    """Return the number of a segment, 0 for none."""
    async with db.begin() as connection:
        return int(await (await driver(connection)).fetchval(_NUMBER, tenant, name) or 0)


async def members(db: Database, tenant: int, segment: int, after: int, limit: int) -> list[Member]:
    """Return the people of a segment behind a number, in the order of their numbers."""
    async with db.begin() as connection:
        rows = await (await driver(connection)).fetch(_MEMBERS, tenant, segment, after, limit)
    return [Member(row[0], row[1], IdentityKind(row[2]).name.lower(), row[3]) for row in rows]


async def everybody(db: Database, tenant: int, segment: int) -> AsyncIterator[list[Member]]:
    """Give all people of a segment, page by page."""
    after = -1
    while found := await members(db, tenant, segment, after, _AT_ONCE):
        yield found
        after = found[-1].person_no


async def size(db: Database, tenant: int, segment: int) -> tuple[int, int]:
    """Return how many people are in a segment, and how many there are."""
    async with db.begin() as connection:
        below = await driver(connection)
        return int(await below.fetchval(_SIZE, tenant, segment)), await store.people(connection, tenant)


async def trend(db: Database, tenant: int, segment: int, since: datetime) -> list[tuple[datetime, int]]:
    """Return how large a segment was, oldest first."""
    async with db.begin() as connection:
        return [(row[0], row[1]) for row in await (await driver(connection)).fetch(_TREND, tenant, segment, since)]


async def moves(db: Database, tenant: int, segment: int, before: int, limit: int) -> list[Move]:
    """Return who entered and left, newest first, of moves before a number."""
    async with db.begin() as connection:
        rows = await (await driver(connection)).fetch(_MOVES, tenant, segment, before, limit)
    return [Move(row[0], row[1], row[2], row[3], IdentityKind(row[4]).name.lower() if row[4] is not None else None, row[5]) for row in rows]


async def sizes(db: Database, tenant: int, since: datetime, until: datetime) -> dict[int, tuple[int, list[int]]]:
    """Return, by segment, how many people are in it (above 10,000 as kept within the hour), and that day by day, oldest first."""
    async with db.begin() as connection:
        rows = await (await driver(connection)).fetch(_SIZES, tenant, _COUNTED, since, until)
    return {row[0]: (row[1] if row[1] <= _COUNTED else max(row[2] or 0, row[1]), list(row[3] or ())) for row in rows}


async def known(db: Database, tenant: int) -> int:
    """Return how many people there are."""
    async with db.begin() as connection:
        return await store.people(connection, tenant)


async def overlap(db: Database, tenant: int, segment: int) -> dict[int, int]:
    """Return how many people of a segment are in each other one, by its number."""
    async with db.begin() as connection:
        return {row[0]: row[1] for row in await (await driver(connection)).fetch(_OVERLAP, tenant, segment)}


async def put_list(db: Database, tenant: int, segment: int, kind: IdentityKind, ids: Sequence[str]) -> Listed:
    """Make people the list of a segment, in place of those before; those who come or go follow within a second."""
    keys = {person_key(tenant, int(kind), one): one for one in ids}
    async with db.begin() as connection:
        below = await driver(connection)
        found: dict[bytes, int] = {}
        every = list(keys)
        for first in range(0, len(every), _AT_ONCE):
            found |= {bytes(row[0]): row[1] for row in await below.fetch(_PEOPLE, tenant, every[first : first + _AT_ONCE])}
        before = {row[0] for row in await below.fetch(_UNLIST, tenant, segment)}
        people = sorted(set(found.values()))
        await below.execute(_LIST, tenant, segment, people)
        await outbox.post_many(connection, tenant, "traits", sorted(before.symmetric_difference(people)))
    unknown = [keys[key] for key in every if key not in found]
    return Listed(len(people), len(unknown), unknown[:_SHOWN_UNKNOWN])
