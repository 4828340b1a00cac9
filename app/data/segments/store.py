"""SQL of segments: what is published, who is in them, who came and went, and who is due."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.db import Database, driver
from app.data import outbox
from app.data.facts.build import Thing
from app.data.facts.standing import Edges

_PUBLISHED = """
select s.segment_no, s.name, v.version, v.document::text from segment s
join segment_version v on v.tenant = s.tenant and v.segment_no = s.segment_no and v.version = s.published
where s.tenant = $1 order by s.segment_no
"""
_VERSIONS = "select area, version from change where tenant = $1 and area in ('content', 'facts')"
_THINGS = "select item_no, category, brand, coalesce(price::float8, 'NaN') from item where tenant = $1 and item_no = any($2::int[])"
_BEFORE = """
select n, array(select segment_no from segment_member where tenant = $1 and person_no = n), d.due_at
from unnest($2::bigint[]) n left join person_due d on d.tenant = $1 and d.person_no = n
"""
# a list may name any id of a person
_LISTED = """
select p.root_no, l.segment_no from person p join segment_listed l on l.tenant = p.tenant and l.person_no = p.person_no
where p.tenant = $1 and p.root_no = any($2::bigint[])
"""
# who has joined a group is in segments as that group
_JOINED = """
select person_no from person where tenant = $1 and root_no = any($2::bigint[]) and person_no <> root_no
"""
_GONE = tuple(f"delete from {table} where tenant = $1 and person_no in ({_JOINED})" for table in ("segment_member", "person_due"))
_ENTER = """
insert into segment_member (tenant, segment_no, person_no, since)
select $1, * from unnest($2::int[], $3::bigint[], $4::timestamptz[]) on conflict do nothing
"""
_LEAVE = """
delete from segment_member m using unnest($2::int[], $3::bigint[]) as gone (segment_no, person_no)
where m.tenant = $1 and m.segment_no = gone.segment_no and m.person_no = gone.person_no
"""
_MOVED = "insert into segment_move (tenant, segment_no, person_no, entered, at) select $1, * from unnest($2::int[], $3::bigint[], $4::bool[], $5::timestamptz[])"  # noqa: E501
_DUE = """
insert into person_due (tenant, person_no, due_at) select $1, * from unnest($2::bigint[], $3::timestamptz[])
on conflict (tenant, person_no) do update set due_at = excluded.due_at where person_due.due_at <> excluded.due_at
"""
_NOT_DUE = "delete from person_due where tenant = $1 and person_no = any($2::bigint[])"
# numbers of people are drawn at random, so that the first ones are people taken at random, and the same each time
_SAMPLE = "select facts, state from person_state where tenant = $1 and length(facts) > 0 order by person_no limit $2"
_WAKE = """
delete from person_due d using (
    select person_no from person_due where tenant = $1 and due_at <= $2 order by due_at limit $3 for update skip locked
) now_due where d.tenant = $1 and d.person_no = now_due.person_no returning d.person_no
"""

Pair = tuple[int, int]
"""A segment and a person, by number."""


async def versions(connection: AsyncConnection, tenant: int) -> tuple[int, int]:
    """Return the versions of documents and of the edges that facts are read by."""
    found = {row[0]: row[1] for row in await (await driver(connection)).fetch(_VERSIONS, tenant)}
    return found.get("content", 0), found.get("facts", 0)


async def published(connection: AsyncConnection, tenant: int) -> list[tuple[int, str, int, dict[str, Any]]]:
    """Return number, name, version and document of each published segment."""
    rows = await (await driver(connection)).fetch(_PUBLISHED, tenant)
    return [(row[0], row[1], row[2], orjson.loads(row[3])) for row in rows]


async def edges(connection: AsyncConnection, tenant: int) -> Edges:
    """Return where parts of the shop end; the usual ones where they were never computed."""
    kept = await (await driver(connection)).fetchval("select edges::text from fact_edges where tenant = $1", tenant)
    return Edges(**{name: tuple(values) for name, values in orjson.loads(kept).items()}) if kept else Edges()


async def things(connection: AsyncConnection, tenant: int, items: Sequence[int]) -> dict[int, Thing]:
    """Return what counts of items, by their number."""
    rows = await (await driver(connection)).fetch(_THINGS, tenant, items) if items else ()
    return {row[0]: Thing(row[1], row[2], row[3]) for row in rows}


async def before(connection: AsyncConnection, tenant: int, people: Sequence[int]) -> dict[int, tuple[set[int], datetime | None]]:
    """Return the segments each person is in, and when they are due."""
    rows = await (await driver(connection)).fetch(_BEFORE, tenant, people)
    return {row[0]: (set(row[1]), row[2]) for row in rows}


async def listed(connection: AsyncConnection, tenant: int, people: Sequence[int]) -> dict[int, set[int]]:
    """Return the segments whose lists name each person."""
    found: dict[int, set[int]] = {}
    for person, segment in await (await driver(connection)).fetch(_LISTED, tenant, people):
        found.setdefault(person, set()).add(segment)
    return found


async def sample(connection: AsyncConnection, tenant: int, most: int) -> list[tuple[bytes, bytes]]:
    """Return packed facts and states of people taken at random, the same ones each time."""
    return [(row[0], row[1]) for row in await (await driver(connection)).fetch(_SAMPLE, tenant, most)]


async def people(connection: AsyncConnection, tenant: int) -> int:
    """Return how many people have a state."""
    return int(await (await driver(connection)).fetchval("select count(*) from person_state where tenant = $1", tenant))


async def leave_joined(connection: AsyncConnection, tenant: int, roots: Sequence[int]) -> None:
    """Let ids that have joined a group be in no segment of their own."""
    for statement in _GONE:
        await (await driver(connection)).execute(statement, tenant, roots)


async def move(connection: AsyncConnection, tenant: int, entered: Sequence[Pair], left: Sequence[Pair], at: datetime) -> None:
    """Let people enter and leave segments, and keep that they did."""
    below = await driver(connection)
    if entered:
        numbers, people = [one[0] for one in entered], [one[1] for one in entered]
        await below.execute(_ENTER, tenant, numbers, people, [at] * len(entered))
    if left:
        await below.execute(_LEAVE, tenant, [one[0] for one in left], [one[1] for one in left])
    both = [*entered, *left]
    if both:
        came = [True] * len(entered) + [False] * len(left)
        await below.execute(_MOVED, tenant, [one[0] for one in both], [one[1] for one in both], came, [at] * len(both))


async def due(connection: AsyncConnection, tenant: int, at: dict[int, float | None]) -> None:
    """Keep when each person is due, in unix seconds; None for never."""
    below = await driver(connection)
    if never := [person for person, moment in at.items() if moment is None]:
        await below.execute(_NOT_DUE, tenant, never)
    if some := [(person, moment) for person, moment in at.items() if moment is not None]:
        moments = [datetime.fromtimestamp(moment, UTC) for _, moment in some]
        await below.execute(_DUE, tenant, [person for person, _ in some], moments)


async def wake(db: Database, tenant: int, now: datetime, limit: int) -> int:
    """Hand people who are due to the outbox, which brings their facts to where they are at that moment; return how many."""
    async with db.begin() as connection:
        people = [row[0] for row in await (await driver(connection)).fetch(_WAKE, tenant, now, limit)]
        if people:
            await outbox.post_many(connection, tenant, "traits", people)
    return len(people)
