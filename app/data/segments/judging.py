"""Everybody judged anew when segments, or what facts are read by, have changed: page by page, from packed facts, without any event."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core import clock
from app.core.db import Database, driver
from app.core.logging import log
from app.data import outbox
from app.data.facts import packed, repacked
from app.data.facts.domain import Seen
from app.data.facts.standing import Edges
from app.data.profiles import store as profiles
from app.data.profiles.state_codec import view_state
from app.data.segments import store
from app.data.segments.domain import Program
from app.data.segments.programs import programs

AT_ONCE = 2_000
_BY_EDGES = ("rfm.",)
_STATE = "select judged::text, edges_at from segment_state where tenant = $1"
_KEEP = """
insert into segment_state (tenant, judged, edges_at) values ($1, $2::jsonb, $3)
on conflict (tenant) do update set judged = excluded.judged, edges_at = excluded.edges_at
"""
_PAGE = """
select person_no, facts, state from person_state where tenant = $1 and shard = $2 and person_no > $3 and length(facts) > 0
order by person_no limit $4
"""
_REWRITE = """
update person_state s set facts = n.facts from unnest($2::bigint[], $3::bytea[]) as n (person_no, facts)
where s.tenant = $1 and s.person_no = n.person_no
"""
_SOONER = """
insert into person_due (tenant, person_no, due_at) select $1, * from unnest($2::bigint[], $3::timestamptz[])
on conflict (tenant, person_no) do update set due_at = least(person_due.due_at, excluded.due_at)
"""
_SIZES = """
insert into segment_size (tenant, segment_no, at, size)
select $1, n, $3, (select count(*) from segment_member m where m.tenant = $1 and m.segment_no = n) from unnest($2::int[]) n
on conflict do nothing
"""
_EDGES_AT = "select computed_at from fact_edges where tenant = $1"


class _Due(NamedTuple):
    """What must be judged: segments by number, and those that are published no more."""

    program: Program
    edges: Edges
    numbers: frozenset[int]
    gone: list[int]
    edges_at: datetime | None


async def judge_changed(db: Database, tenant: int) -> int:
    """Judge everybody by the segments that changed since everybody was judged last; return how many people entered or left.

    A segment is done when all people were gone through; one that is interrupted is begun again, which changes nothing.
    """
    due = await _due(db, tenant)
    if due is None:
        return 0
    for name, why in due.program.broken.items():
        log.warning("segment.broken", tenant=tenant, segment=name, detail=why)
    moved = 0
    for shard in range(profiles.SHARDS if due.numbers else 0):
        after = -1
        while True:
            async with db.begin() as connection:
                await profiles.own(connection, tenant, shard)
                rows = await (await driver(connection)).fetch(_PAGE, tenant, shard, after, AT_ONCE)
                moved += await _page(connection, tenant, due, rows)
            if len(rows) < AT_ONCE:
                break
            after = rows[-1][0]
    async with db.begin() as connection:
        below = await driver(connection)
        # a list stays: rolling back brings its people back
        await below.execute("delete from segment_member where tenant = $1 and segment_no = any($2::int[])", tenant, due.gone)
        await below.execute(_KEEP, tenant, orjson.dumps({str(n): v for n, v in due.program.versions.items()}).decode(), due.edges_at)
        await below.execute(_SIZES, tenant, sorted(due.numbers - set(due.gone)), clock.now())
    return moved


async def _due(db: Database, tenant: int) -> _Due | None:
    """Return what must be judged; None when everything was."""
    async with db.begin() as connection:
        program, edges = await programs(db).of(connection, tenant)
        below = await driver(connection)
        kept = await below.fetchrow(_STATE, tenant)
        edges_at = await below.fetchval(_EDGES_AT, tenant)
    judged = {int(number): version for number, version in orjson.loads(kept[0]).items()} if kept else {}
    changed = [number for number, version in program.versions.items() if judged.get(number) != version]
    gone = [number for number in judged if number not in program.versions]
    moved = kept is not None and kept[1] != edges_at
    if not changed and not gone and not (moved or (kept is None and program.versions)):
        return None
    numbers = program.touched([*changed, *gone], _BY_EDGES if moved else ())
    return _Due(program, edges, numbers, gone, edges_at)


async def _page(connection: AsyncConnection, tenant: int, due: _Due, rows: Sequence[Any]) -> int:
    """Judge some people; return how many entered or left a segment."""
    program, now = due.program, clock.now()
    people = [row[0] for row in rows]
    listed = await store.listed(connection, tenant, people) if not due.numbers.isdisjoint(program.lists) else {}
    entered, left, sooner, fresh = [], [], {}, []
    for person, value, state in rows:
        found = packed.read(value)
        if found is None:
            continue
        was = found.segments
        view = Seen(person=found, now=now.timestamp(), edges=due.edges)
        inside = [] if _refused(state) else program.judge_some(view, due.numbers, listed.get(person, ()))
        if (at := program.next_change(view, due.numbers)) is not None:
            sooner[person] = at
        if was != set(inside):
            entered += [(number, person) for number in inside if number not in was]
            left += [(number, person) for number in was.difference(inside)]
            fresh.append((person, repacked.with_segments(value, inside)))
    await store.move(connection, tenant, entered, left, now)
    below = await driver(connection)
    if sooner:
        moments = [datetime.fromtimestamp(at, now.tzinfo) for at in sooner.values()]
        await below.execute(_SOONER, tenant, list(sooner), moments)
    if fresh:
        numbers = await profiles.sequence(connection, len(fresh))
        values = [repacked.with_seq(value, number) for (_, value), number in zip(fresh, numbers, strict=True)]
        await below.execute(_REWRITE, tenant, [person for person, _ in fresh], values)
        # Redis is told by the job that brings traits there
        await outbox.post_many(connection, tenant, "traits", [person for person, _ in fresh])
    return len(fresh)


def _refused(state: bytes) -> bool:
    view = view_state(state)
    return view is not None and view.consent is False


async def keep_sizes(db: Database, tenant: int, numbers: Collection[int]) -> None:
    """Keep how large segments are now."""
    async with db.begin() as connection:
        await (await driver(connection)).execute(_SIZES, tenant, sorted(numbers), clock.now())


async def is_ready(db: Database, tenant: int, number: int, version: int | None) -> bool:
    """Tell whether everybody was judged by a version of a segment."""
    async with db.begin() as connection:
        kept = await (await driver(connection)).fetchval(
            "select (judged ->> $2)::int from segment_state where tenant = $1", tenant, str(number)
        )
    return version is not None and kept == version


async def judged(db: Database, tenant: int) -> dict[int, int]:
    """Return the version by which everybody was judged, of each segment."""
    async with db.begin() as connection:
        kept = await (await driver(connection)).fetchval("select judged::text from segment_state where tenant = $1", tenant)
    return {int(number): version for number, version in orjson.loads(kept).items()} if kept else {}
