"""A clock that is held hides what happened from that moment on, also what was imported before it was held."""

from datetime import UTC, datetime, timedelta

from app.core.db import Database
from app.core.ids import person_key, state_key
from app.core.settings import Settings
from app.data.kinds import Kind
from app.data.online.publisher import Publisher
from app.data.people import states
from app.data.people.rebuild import rebuild
from app.data.profiles.codec import unpack_profile
from app.data.profiles.state_codec import State, unpack_state
from tests.data.conftest import Put, event

START = datetime(2024, 1, 1, tzinfo=UTC)


def held(settings: Settings, minutes: int, *, naive: bool = False) -> Settings:
    """Return the settings with the clock held so many minutes into 2024."""
    moment = START + timedelta(minutes=minutes)
    return settings.model_copy(update={"now": moment.replace(tzinfo=None) if naive else moment})


async def state_of(publisher: Publisher) -> State:
    """Return ann's state as serving reads it."""
    (node,) = publisher.nodes.known()
    return unpack_state(await node.client.get(state_key(1, person_key(1, 1, "ann"))))


async def test_states_hold_nothing_that_happened_from_the_held_moment_on(
    put: Put, db: Database, settings: Settings, publisher: Publisher, tenant: int, catalogue: dict[str, int]
) -> None:
    await put(
        event(1, item="a", kind=Kind.PURCHASE, order_id="o1"), event(5, item="b", kind=Kind.PURCHASE, order_id="o2"), event(9, item="c")
    )
    await db.run("update person set country = 'FR', country_at = :at", at=START + timedelta(minutes=7))
    await states.Applier(db, held(settings, 5, naive=True), publisher, tenant).apply()
    back = await state_of(publisher)
    assert back.groups.tolist() == back.bought.tolist() == [catalogue["a"]]
    assert (back.last_seen, back.country) == (int(START.timestamp()) + 60, "")
    (row,) = await db.rows("select profile from person_state")
    profile = unpack_profile(bytes(row.profile))
    assert profile is not None
    assert profile.last_seen == back.last_seen


async def test_another_held_moment_computes_all_states_anew(
    put: Put, db: Database, settings: Settings, publisher: Publisher, tenant: int, catalogue: dict[str, int]
) -> None:
    await put(event(1, item="a"), event(5, item="b"), event(9, item="c"))
    for minutes, seen in ((6, "ab"), (2, "a"), (60, "abc")):
        await states.Applier(db, held(settings, minutes), publisher, tenant).apply()
        assert (await state_of(publisher)).groups.tolist() == [catalogue[item] for item in seen]
    await states.Applier(db, settings, publisher, tenant).apply()
    assert len((await state_of(publisher)).groups) == 3
    await rebuild(db, held(settings, 2), publisher, tenant)
    assert (await state_of(publisher)).groups.tolist() == [catalogue["a"]]
