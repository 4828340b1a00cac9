"""Requests that were recorded, to be asked again: an even sample of those to some placements."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from app.core.db import Database, driver
from app.data.people.everyone import Someone, named
from app.serving.dry_run.asking import Asked

_COUNT = "select count(*) from serve where tenant = $1 and served_at >= $2 and served_at < $3 and placement_no = any($4::int[])"
# every row whose place among all is the first of its step
_SAMPLE = """
select served_at, placement_no, person_no, send_id, asked::text from (
    select served_at, placement_no, person_no, send_id, asked, row_number() over (order by served_at, recommendation_id) as place
    from serve where tenant = $1 and served_at >= $2 and served_at < $3 and placement_no = any($4::int[])
) as one where place * $5::bigint / $6::bigint > (place - 1) * $5::bigint / $6::bigint
order by served_at limit $5
"""


class Recorded(NamedTuple):
    """Requests in the order in which they came, how many there were, and how many of those asked name people who are no longer known."""

    asked: list[Asked]
    of_all: int
    gone: int


async def recorded(
    db: Database, tenant: int, begins: datetime, ends: datetime, placements: Mapping[int, str], most: int, said: Mapping[str, str]
) -> Recorded:
    """Return at most so many requests to placements by number, evenly from all that there were; `said` goes before what they said."""
    async with db.begin() as connection:
        sql = await driver(connection)
        count = await sql.fetchval(_COUNT, tenant, begins, ends, list(placements))
        rows = await sql.fetch(_SAMPLE, tenant, begins, ends, list(placements), min(most, count), count) if count else []
    people = await named(db, tenant, {row["person_no"] for row in rows if row["person_no"] is not None})
    asked = [_asked(-place, row, placements[row["placement_no"]], people, said) for place, row in enumerate(rows, 1)]
    gone = sum(1 for row in rows if row["person_no"] is not None and row["person_no"] not in people)
    return Recorded(asked, count, gone)


def _asked(stranger: int, row: Any, placement: str, people: Mapping[int, Someone], said: Mapping[str, str]) -> Asked:
    given: dict[str, str] = orjson.loads(row["asked"]) if row["asked"] else {}
    if row["send_id"]:
        given["campaign"] = row["send_id"]
    someone = people.get(row["person_no"])
    if someone is not None:
        given[someone.parameter] = someone.value
    return Asked(row["person_no"] if someone is not None else stranger, placement, {**given, **said}, row["served_at"].timestamp())
