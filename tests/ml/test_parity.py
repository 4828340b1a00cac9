"""Training and serving see the same history: events read for a fit against the state that serving reads."""

from datetime import UTC, datetime, timedelta

import numpy as np

from app.core.db import Database
from app.data.profiles.compute import states
from app.data.profiles.state_codec import State
from app.ml import dataset
from tests.ml.database import add_events, add_items

END = datetime(2026, 3, 1, tzinfo=UTC)
GROUPS = 12
PEOPLE = 30


async def _shop(db: Database, tenant: int) -> None:
    """Insert events of every kind, with and without orders, many at the same moment."""
    rng = np.random.default_rng(11)
    await add_items(db, tenant, [(f"g{one}", "", True) for one in range(GROUPS)])
    groups = [row.group_no for row in await db.rows("select group_no from item_group order by group_no")]
    for person in range(PEOPLE):
        await db.run("insert into person (tenant, person_no, root_no, data_key) values (:t, :p, :p, 'k')", t=tenant, p=person + 1)
    events = []
    for _ in range(PEOPLE * 20):
        moment = END - timedelta(days=int(rng.integers(1, 40)))
        order = None if rng.random() < 0.3 else int(rng.integers(-5, 5)) * 2**60 + 1
        kind = int(rng.integers(0, 8))
        events.append((int(rng.integers(PEOPLE)) + 1, groups[rng.integers(GROUPS)], kind, moment, order, float(rng.integers(1, 5))))
    await add_events(db, tenant, events)
    await db.run("update event set quantity = null where event_no % 7 = 0")


async def _states(db: Database, tenant: int, limit: int) -> list[State]:
    async with db.begin() as connection:
        return [state for state, _ in await states(connection, tenant, range(1, PEOPLE + 1), limit, 100)]


async def test_a_fit_reads_the_history_that_serving_reads(db: Database, tenant: int) -> None:
    await _shop(db, tenant)
    data = await dataset.read(db, tenant, dataset.Window.days(END, 365), default_consent=True)
    states = await _states(db, tenant, limit=6)
    assert data.people == len(states) == PEOPLE
    for person, state in enumerate(states):
        own = data.histories.of(person).newest(6)
        assert data.groups[own.row].tolist() == state.groups.tolist()
        assert own.kind.tolist() == state.kinds.tolist()
        assert own.times.tolist() == state.times.tolist()
        assert own.amount.tolist() == state.amounts.tolist()
        np.testing.assert_allclose(own.age, (END.timestamp() - state.last_at.astype(np.float64)) / 86_400, atol=1e-3)
