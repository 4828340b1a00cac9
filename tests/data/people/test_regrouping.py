"""An item that joins a shared group, or leaves it, keeps what is known of it: bought, history, popularity, training."""

from datetime import UTC, datetime, timedelta

from app.core.db import Database
from app.core.settings import Settings
from app.data.catalogue import service as catalog
from app.data.kinds import Kind
from app.data.online.publisher import Publisher
from app.data.people import states
from app.ml import dataset
from app.ml.popularity.service import refresh_popular
from tests.data.conftest import Put, event
from tests.data.people.test_state import state_of


async def numbers(db: Database) -> dict[str, int]:
    return {row[0]: row[1] for row in await db.rows("select item_id, group_no from item")}


async def test_who_bought_an_item_has_bought_the_group_that_it_joins_and_not_the_one_it_left(
    put: Put, db: Database, settings: Settings, publisher: Publisher, tenant: int, catalogue: dict[str, int]
) -> None:
    applier = states.Applier(db, settings, publisher, tenant)
    await put(event(1, item="a", kind=Kind.PURCHASE, order_id="o1"), event(2, item="b"))
    await applier.apply()
    await catalog.put_items(db, settings, tenant, [{"id": "a", "title": "a", "item_group_id": "de"}])
    joined = (await numbers(db))["d"]
    assert (await numbers(db))["a"] == joined != catalogue["a"]
    await states.drain(db, settings, publisher, tenant)
    state = await state_of(publisher, "ann")
    assert state is not None
    assert set(state.bought.tolist()) == {joined}
    assert set(state.groups.tolist()) == {joined, catalogue["b"]}
    await catalog.put_items(db, settings, tenant, [{"id": "a", "title": "a"}])
    await states.drain(db, settings, publisher, tenant)
    state = await state_of(publisher, "ann")
    assert state is not None
    assert set(state.bought.tolist()) == {catalogue["a"]}


async def test_popularity_and_training_go_by_the_group_that_an_item_is_of_now(
    put: Put, db: Database, settings: Settings, tenant: int, catalogue: dict[str, int]
) -> None:
    await put(event(1, item="a", kind=Kind.PURCHASE, order_id="o1"), event(2, item="a"))
    await catalog.put_items(db, settings, tenant, [{"id": "a", "title": "a", "item_group_id": "de"}])
    joined = (await numbers(db))["d"]
    await refresh_popular(db, tenant, window_days=10_000)
    (groups,) = (await db.rows("select groups from popular_list where segment = ''"))[0]
    assert groups[0] == joined
    now = datetime.now(UTC) + timedelta(days=1)
    read = await dataset.read(db, tenant, dataset.Window.days(now, 10_000), default_consent=True)
    assert {int(read.groups[row]) for row in read.row} == {joined}


async def test_people_without_events_of_the_item_are_left_alone(
    put: Put, db: Database, settings: Settings, tenant: int, catalogue: dict[str, int]
) -> None:
    await put(event(1, item="b"))
    await catalog.put_items(db, settings, tenant, [{"id": "a", "title": "a", "item_group_id": "de"}])
    assert (await db.rows("select count(*) from outbox"))[0][0] == 0
