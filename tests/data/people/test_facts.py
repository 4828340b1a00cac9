"""What events say about people, against the same question asked of PostgreSQL in SQL."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from app.core.db import Database, driver
from app.data.profiles import store
from app.data.profiles.event_columns import gather, read
from tests.ml.database import add_events, add_items

PEOPLE, GROUPS = 40, 15
NOW = datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC)
# Per person: the newest groups with their strongest kind, the bought ones with their last day, oldest first in both.
# Of an order told several times the telling with the most pieces counts, of equal ones the earliest.
_SQL = """
with told as (
    select *, row_number() over (
        partition by person_no, group_no, kind, coalesce(order_key, event_no), order_key is null
        order by coalesce(quantity, 0) desc, occurred_at, ('x' || encode(substr(message_id, 1, 8), 'hex'))::bit(64)::bigint
    ) as nth from event
), by_kind as (
    select person_no, group_no, kind, max(occurred_at) as last_at,
           count(distinct coalesce(order_key, event_no)) as times, coalesce(sum(quantity), 0) as amount
    from told where tenant = $1 and kind > 0 and group_no is not null and (kind < 7 or order_key is null or nth = 1)
    group by person_no, group_no, kind
), by_group as (
    select distinct on (person_no, group_no) person_no, group_no, kind, times, amount,
           max(last_at) over (partition by person_no, group_no) as last_at
    from by_kind order by person_no, group_no, kind desc
), newest as (
    select *, row_number() over (partition by person_no order by last_at desc, group_no) as place from by_group
), bought as (
    select person_no, group_no, last_at, row_number() over (partition by person_no order by last_at desc, group_no) as place
    from by_kind where kind = 7
), history as (
    select person_no, array_agg(group_no order by place desc) as groups,
           array_agg(extract(epoch from last_at)::bigint order by place desc) as last_at,
           array_agg(kind order by place desc) as kinds, array_agg(times order by place desc) as times,
           array_agg(amount order by place desc) as amounts
    from newest where place <= $2 group by person_no
), purchases as (
    select person_no, array_agg(group_no order by place desc) as bought,
           array_agg(floor(extract(epoch from last_at) / 86400)::int order by place desc) as days
    from bought where place <= $3 group by person_no
), seen as (
    select person_no, extract(epoch from max(occurred_at))::bigint as last_seen from event where tenant = $1 group by person_no
)
select * from seen left join history using (person_no) left join purchases using (person_no) order by person_no
"""


async def _events(db: Database, tenant: int, seed: int) -> None:
    """Insert events of every kind, some without group, order or quantity, many at the same moment, some before 1970."""
    random = np.random.default_rng(seed)
    await add_items(db, tenant, [(f"g{one}", "", True) for one in range(GROUPS)])
    groups = [row.group_no for row in await db.rows("select group_no from item_group order by group_no")]
    for person in range(PEOPLE):
        await db.run("insert into person (tenant, person_no, root_no, data_key) values (:t, :p, :p, 'k')", t=tenant, p=person + 1)
    events: list[Any] = []
    for _ in range(PEOPLE * 25):
        moment = NOW - timedelta(days=int(random.integers(0, 20)), microseconds=int(random.integers(0, 3)) * 250_000)
        if random.random() < 0.02:
            moment -= timedelta(days=60 * 365)
        order = None if random.random() < 0.4 else int(random.integers(-3, 3)) * 2**60 + 1
        # the last of them have no event at all
        events.append(
            (
                int(random.integers(PEOPLE - 3)) + 1,
                groups[random.integers(GROUPS)],
                int(random.integers(0, 8)),
                moment,
                order,
                float(random.integers(1, 5)),
            )
        )
    await add_events(db, tenant, events)
    await db.run("update event set quantity = null where event_no % 7 = 0")
    await db.run("update event set group_no = null where event_no % 11 = 0")


@pytest.mark.parametrize(("seed", "history", "bought"), [(1, 200, 2000), (2, 4, 2), (3, 1, 1), (4, 7, 100)])
async def test_facts_are_what_sql_says(db: Database, tenant: int, seed: int, history: int, bought: int) -> None:
    await _events(db, tenant, seed)
    async with db.begin() as connection:
        rows = await (await driver(connection)).fetch(_SQL, tenant, history, bought)
        found = gather(await store.events(connection, tenant, {n: n for n in range(1, PEOPLE + 1)}), history, bought)
    assert found.person.tolist() == [row["person_no"] for row in rows]
    assert found.last_seen.tolist() == [row["last_seen"] for row in rows]
    for place, row in enumerate(rows):
        own = slice(found.bounds[place], found.bounds[place + 1])
        for name, column in (("groups", found.groups), ("last_at", found.last_at), ("kinds", found.kinds), ("times", found.times)):
            assert column[own].tolist() == (row[name] or []), (name, place)
        assert found.amounts[own].tolist() == (row["amounts"] or [])
        own = slice(found.bought_bounds[place], found.bought_bounds[place + 1])
        assert found.bought[own].tolist() == (row["bought"] or [])
        assert found.bought_day[own].tolist() == (row["days"] or [])


async def test_people_without_events_are_not_in_it(db: Database, tenant: int) -> None:
    async with db.begin() as connection:
        found = gather(await store.events(connection, tenant, {1: 1, 2: 2, 3: 3}), 200, 2000)
    assert (len(found.person), found.bounds.tolist(), len(found.groups)) == (0, [0], 0)


async def test_events_without_a_group_only_say_when_somebody_was_seen(db: Database, tenant: int) -> None:
    await db.run("insert into person (tenant, person_no, root_no, data_key) values (:t, 1, 1, 'k')", t=tenant)
    await add_events(db, tenant, [(1, None, 0, NOW, None, 1.0)])
    async with db.begin() as connection:
        found = gather(await store.events(connection, tenant, {1: 1}), 200, 2000)
    assert found.last_seen.tolist() == [round(NOW.timestamp() + 0.01)]
    assert found.bounds.tolist() == found.bought_bounds.tolist() == [0, 0]


def test_bytes_of_another_form_are_refused() -> None:
    for copied in (b"", b"PGCOPY\n\xff\r\n\0" + bytes(8) + b"\xff", b"PGCOPY\n\xff\r\n\0" + bytes(40) + b"\xff\xff"):
        with pytest.raises(ValueError, match="form"):
            read(copied, {})
