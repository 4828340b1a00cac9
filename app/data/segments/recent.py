"""What a draft of a condition would do to people who did something lately: who is in by it, who would enter and leave."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from app.core import clock
from app.core.db import Database, driver
from app.core.tasks import in_turns
from app.data.conditions.language import Condition
from app.data.events import store as events
from app.data.facts import packed
from app.data.facts.domain import Seen
from app.data.profiles.state_codec import view_state
from app.data.segments.programs import programs

MOST_EVENTS = 50_000
"""So many of the newest events are looked at."""
_PEOPLE = """
select person_no, facts, state from person_state where tenant = $1 and length(facts) > 0 and person_no = any(array(
    select distinct root_no from person where tenant = $1 and person_no = any($2::bigint[])
)) order by person_no
"""


class Recent(NamedTuple):
    """People who did something since a moment, those among them in the segment now and by the draft, and who would enter and leave.

    `cut` tells that there were more events than are looked at, so that these are the people of the newest ones.
    """

    people: int
    published: int
    draft: int
    entering: Sequence[int]
    leaving: Sequence[int]
    cut: bool


async def recent(db: Database, tenant: int, name: str, wanted: Condition, since: datetime) -> Recent:
    """Judge whoever had events since a moment by a draft of the segment of a name; one that is not published has nobody in it."""
    async with db.begin() as connection:
        program, edges = await programs(db).of(connection, tenant)
        numbers, cut = await events.lately(connection, tenant, since, MOST_EVENTS)
        rows = await _people(connection, tenant, numbers)
    number, now = program.numbers.get(name, 0), clock.now().timestamp()
    before, after = set(), set()
    people = 0
    async for person_no, value, state in in_turns(rows):
        person, view = packed.read(value), view_state(state)
        if person is None or (view is not None and view.consent is False):
            continue
        people += 1
        if number in person.segments:
            before.add(person_no)
        if wanted.test(Seen(person=person, now=now, edges=edges)):
            after.add(person_no)
    return Recent(people, len(before), len(after), sorted(after - before), sorted(before - after), cut)


async def _people(connection: AsyncConnection, tenant: int, numbers: Sequence[int]) -> Sequence[tuple[int, bytes, bytes]]:
    rows: Sequence[tuple[int, bytes, bytes]] = await (await driver(connection)).fetch(_PEOPLE, tenant, numbers)
    return rows
