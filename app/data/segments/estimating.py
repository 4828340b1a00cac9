"""How many people would meet a condition: looked at on a sample, so that it is told while somebody types."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from app.core import clock
from app.core.db import Database, driver
from app.core.tasks import in_turns
from app.data.conditions.language import Condition
from app.data.facts import packed
from app.data.facts.domain import Seen
from app.data.facts.standing import Edges
from app.data.profiles.state_codec import view_state
from app.data.segments import store
from app.data.segments.domain import Program, condition
from app.data.segments.programs import programs

SAMPLE = 10_000
_Z = 1.96
_FEW = "select count(*) from (select 1 from person_state where tenant = $1 and length(facts) > 0 limit $2) few"


class Looked(NamedTuple):
    """People that were looked at, as (packed facts, packed state), of how many, and what their facts are read by."""

    rows: Sequence[tuple[bytes, bytes]]
    people: int
    program: Program
    edges: Edges


class Estimate(NamedTuple):
    """How many people meet a condition: the estimate, an interval of 95 %, and of how many; `sampled` people were looked at."""

    size: int
    low: int
    high: int
    people: int
    sampled: int


async def read(db: Database, tenant: int, written: object) -> tuple[Condition, Program]:
    """Read a condition as a segment of a tenant would have it, and return it with the segments there are; raises Wrong."""
    async with db.begin() as connection:
        program, _ = await programs(db).of(connection, tenant)
    return condition(written, program.facts), program


async def looked(db: Database, tenant: int) -> Looked:
    """Return everybody of a small shop, and some 10,000 people of a large one, the same each time."""
    async with db.begin() as connection:
        program, edges = await programs(db).of(connection, tenant)
        people = int(await (await driver(connection)).fetchval(_FEW, tenant, SAMPLE + 1))
        if people > SAMPLE:
            people = await programs(db).people(connection, tenant)
        rows = await store.sample(connection, tenant, SAMPLE)
    return Looked(rows, people, program, edges)


async def estimate(db: Database, tenant: int, wanted: Condition) -> Estimate:
    """Return how many people meet a condition now."""
    rows, people, _, edges = await looked(db, tenant)
    now, found, count = clock.now().timestamp(), 0, 0
    async for value, state in in_turns(rows):
        person, view = packed.read(value), view_state(state)
        count += 1
        if person is not None and not (view is not None and view.consent is False):
            found += wanted.test(Seen(person=person, now=now, edges=edges))
    if count >= people:
        return Estimate(found, found, found, people, count)
    low, high = _wilson(found, count)
    share = found / count if count else 0.0
    return Estimate(round(share * people), math.floor(low * people), math.ceil(high * people), people, count)


def _wilson(found: int, of: int) -> tuple[float, float]:
    """Return the Wilson score interval of a share (Wilson, 1927)."""
    if not of:
        return 0.0, 1.0
    share, square = found / of, _Z * _Z / of
    middle, half = share + square / 2, _Z * math.sqrt(share * (1 - share) / of + square / (4 * of))
    return max(0.0, (middle - half) / (1 + square)), min(1.0, (middle + half) / (1 + square))
