"""Everybody who has a user id, a page at a time, and some from all over."""

from collections.abc import AsyncGenerator, Collection
from typing import NamedTuple

from app.core.db import Database, driver
from app.core.ids import IdentityKind

_PAGE = """
select person_no, value from person_identity
where tenant = $1 and kind = $2 and (person_no, value) > ($3, $4) order by person_no, value limit $5
"""


async def user_ids(db: Database, tenant: int, size: int) -> AsyncGenerator[list[str], None]:
    """Give all user ids, at most `size` at once; of those that one person has, each."""
    after = (-1, "")
    while True:
        async with db.begin() as connection:
            rows = await (await driver(connection)).fetch(_PAGE, tenant, int(IdentityKind.USER_ID), *after, size)
        if not rows:
            return
        after = (rows[-1]["person_no"], rows[-1]["value"])
        yield [row["value"] for row in rows]


class Someone(NamedTuple):
    """Somebody as calls name them: by which parameter, and the id."""

    parameter: str
    value: str


_NAMED = """
select distinct found.person_no, named.kind, named.value
from {found} as found
cross join lateral (
    select kind, value from person_identity where tenant = $1 and person_no = found.person_no order by kind, key limit 1
) as named
order by found.person_no
"""
# between the first and the last number in equal steps, each by one step into an index
_SPREAD = _NAMED.format(
    found="""(
    with ends as (select min(person_no) as low, max(person_no) as high from person where tenant = $1)
    select next.person_no from ends cross join generate_series(0, $2 - 1) as step cross join lateral (
        select person_no from person
        where tenant = $1 and person_no >= ends.low + (ends.high / greatest($2 - 1, 1) - ends.low / greatest($2 - 1, 1)) * step
        order by person_no limit 1
    ) as next
)"""
)
_FIRST = _NAMED.format(found="(select person_no from person where tenant = $1 order by person_no limit $2)")
_PARAMETERS = {1: "user_id", 2: "anonymous_id", 3: "email_sha256"}


# by an id of their own, else by one of those who are one person with them
_OF_NUMBERS = """
select wanted, named.kind, named.value from unnest($2::bigint[]) as wanted
cross join lateral (
    (select kind, value from person_identity where tenant = $1 and person_no = wanted order by kind, key limit 1)
    union all
    (select own.kind, own.value from person join person_identity as own using (tenant, person_no)
     where tenant = $1 and root_no = wanted and person_no <> wanted order by own.kind, own.key limit 1)
    limit 1
) as named
"""


async def named(db: Database, tenant: int, numbers: Collection[int]) -> dict[int, Someone]:
    """Return people by their numbers; those who were erased are left out."""
    if not numbers:
        return {}
    async with db.begin() as connection:
        rows = await (await driver(connection)).fetch(_OF_NUMBERS, tenant, list(numbers))
    return {row["wanted"]: Someone(_PARAMETERS[row["kind"]], row["value"]) for row in rows}


async def spread(db: Database, tenant: int, size: int) -> list[Someone]:
    """Return up to `size` people from all over those who are known, in an order in which every beginning is spread too."""
    async with db.begin() as connection:
        sql = await driver(connection)
        rows = await sql.fetch(_SPREAD, tenant, size)
        if len(rows) < size:
            # steps meet some people twice; where there are few, all of them are wanted
            known = {row["person_no"] for row in rows}
            more = [row for row in await sql.fetch(_FIRST, tenant, size) if row["person_no"] not in known]
            rows = sorted([*rows, *more[: size - len(rows)]], key=lambda row: row["person_no"])
    found = [Someone(_PARAMETERS[row["kind"]], row["value"]) for row in rows]
    return [found[place] for place in sorted(range(len(found)), key=_turned)]


def _turned(place: int) -> int:
    """Return a number with its bits in reverse, which puts neighbours far apart."""
    return int(f"{place:016b}"[::-1], 2)
