"""Machines found among several signals, and orders attributed to answers, in whatever order events come."""

import asyncio
import itertools
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.core.db import Database
from app.core.settings import Settings
from app.data.engagement import jobs
from app.data.engagement.attribution import attribute_since
from app.data.events.domain import About, Event, message_key
from app.data.events.machines import Client, Mark
from app.data.kinds import Kind, Signal
from app.data.online.publisher import Publisher
from app.data.people import states as people_states
from tests.data.conftest import Put
from tests.data.people.test_state import state_of

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
SERVE, OTHER = b"s" * 16, b"o" * 16


def heard(name: str, signal: Signal, seconds: float, item: str | None = None, user: str = "ann", **more: Any) -> Event:
    """Return a signal that came `seconds` after noon."""
    about = About(
        signal, more.pop("serve", SERVE), more.pop("campaign", None), client=more.pop("client", Client.BROWSER), mark=more.pop("mark", None)
    )
    kind = Kind.CLICK if signal is Signal.CLICK and item else Kind.NONE
    ids = more.pop("identities", ((1, user),))
    return Event(NOON + timedelta(seconds=seconds), message_key(name), ids, kind, name, item, about=about, **more)


def order(name: str, days: float, items: str = "a", user: str = "ann", price: float = 10.0, **more: Any) -> list[Event]:
    """Return an order some days after noon, a row an item."""
    ids, message = more.pop("identities", ((1, user),)), message_key(more.pop("message", name))
    at = NOON + timedelta(days=days)
    return [Event(at, message, ids, Kind.PURCHASE, "Order Completed", item, order_id=name, quantity=2, value=price) for item in items]


async def settled(db: Database, settings: Settings) -> None:
    """Read the log to its end; marks that are set make more of it."""
    for _ in range(3):
        while await jobs.follow(db, settings, 1):
            pass


async def marks(db: Database) -> dict[str, int | None]:
    return {row[0]: row[1] for row in await db.rows("select name, mark from event where signal is not null")}


async def attributed(db: Database) -> list[tuple[Any, ...]]:
    """Return all that is stored of attributions, save when, with names instead of random numbers."""
    rows = await db.rows(
        "select i.value, a.order_key, a.order_message, a.ordered_at, a.value, a.touch, a.touch_message, a.touched_at, a.recommendation_id, "
        "a.placement_no, a.campaign, a.item_no, a.position, a.item_bought from attribution a "
        "join person_identity i using (tenant, person_no) order by a.ordered_at, i.value"
    )
    return [tuple(row) for row in rows]


async def test_links_clicked_all_at_once_are_marked_afterwards_and_leave_the_history(
    put: Put, db: Database, settings: Settings, publisher: Publisher, catalogue: dict[str, int], tenant: int
) -> None:
    applier = people_states.Applier(db, settings, publisher, tenant)
    await put(heard("c1", Signal.CLICK, 100, "a"))
    await put(heard("c2", Signal.CLICK, 100.5, "b"))
    await put(heard("later", Signal.CLICK, 4000, "c"))
    await settled(db, settings)
    await applier.apply()
    before = await state_of(publisher, "ann")
    assert before is not None
    assert before.groups.tolist() == [catalogue[item] for item in "abc"]
    await put(heard("c3", Signal.CLICK, 101, "d"))
    await settled(db, settings)
    burst = int(Mark.MANY_LINKS_AT_ONCE)
    assert await marks(db) == {"c1": burst, "c2": burst, "c3": burst, "later": None}
    await applier.apply()
    after = await state_of(publisher, "ann")
    assert after is not None
    assert after.groups.tolist() == [catalogue["c"]]


async def test_a_delivery_told_later_marks_the_clicks_around_it_of_whichever_id_of_the_person(
    put: Put, db: Database, settings: Settings, catalogue: dict[str, int]
) -> None:
    await put(heard("link", Signal.IMPRESSION, -9, identities=((1, "ann"), (2, "browser"))))
    await put(heard("soon", Signal.CLICK, 2, "a", campaign="spring", identities=((2, "browser"),)))
    await put(heard("late", Signal.CLICK, 900, "a", campaign="spring"))
    await put(heard("other", Signal.CLICK, 2, "a", serve=OTHER, campaign="autumn"))
    await settled(db, settings)
    assert set((await marks(db)).values()) == {None}
    await put(heard("delivered", Signal.DELIVERED, 0, serve=None, campaign="spring"))
    await settled(db, settings)
    found = await marks(db)
    assert {name for name, mark in found.items() if mark} == {"soon"}
    assert found["soon"] == Mark.TOO_SOON_AFTER_DELIVERY


async def test_an_unknown_program_loses_its_mark_when_an_open_is_told_later(
    put: Put, db: Database, settings: Settings, catalogue: dict[str, int]
) -> None:
    await put(heard("click", Signal.CLICK, 100, "a", client=Client.UNKNOWN))
    await settled(db, settings)
    assert await marks(db) == {"click": int(Mark.NO_BROWSER_AND_NO_OPEN)}
    await put(heard("open", Signal.OPEN, 90))
    await settled(db, settings)
    assert await marks(db) == {"click": None, "open": None}


async def test_reading_again_changes_nothing_and_comes_to_an_end(
    put: Put, db: Database, settings: Settings, catalogue: dict[str, int]
) -> None:
    await put(*(heard(f"c{n}", Signal.CLICK, 100 + n / 10, "abc"[n % 3]) for n in range(6)))
    await settled(db, settings)
    places = await db.rows("select event_no, xid::text, mark from event order by event_no")
    await db.run("delete from log_position")
    await settled(db, settings)
    assert await db.rows("select event_no, xid::text, mark from event order by event_no") == places
    assert await jobs.follow(db, settings, 1) == 0


async def test_an_order_is_owed_to_the_last_click_of_the_days_before(
    put: Put, db: Database, settings: Settings, catalogue: dict[str, int]
) -> None:
    numbers = {row[0]: row[1] for row in await db.rows("select item_id, item_no from item")}
    await db.run(
        "insert into serve (tenant, served_at, recommendation_id, placement_no, rung, reason, items, prices, latency_us, send_id) "
        "values (1, :at, :serve, 3, 0, 0, :items, '{}', 1, 'spring')",
        at=NOON, serve=OTHER, items=[numbers["c"], numbers["b"]],
    )  # fmt: skip
    await put(heard("early", Signal.CLICK, 0, "a"), heard("last", Signal.CLICK, 60, "b", serve=OTHER), *order("o1", 1, "ab", price=4.0))
    await put(*order("o2", 7.5, "a"), heard("marked", Signal.CLICK, 90, "a", mark=Mark.SCRIPT))
    await settled(db, settings)
    (found,) = await attributed(db)
    assert found[0] == "ann"
    assert (found[2], found[3], found[4]) == (message_key("o1"), NOON + timedelta(days=1), 16.0)
    assert (found[5], found[6], found[8]) == (int(Signal.CLICK), message_key("last"), OTHER)
    assert found[9:] == (3, "spring", numbers["b"], 2, True)


@pytest.mark.parametrize(("days", "owed"), [(6.99, True), (7.0, True), (7.01, False), (-0.01, False)])
async def test_the_window_is_as_long_as_it_says(
    put: Put, db: Database, settings: Settings, catalogue: dict[str, int], days: float, owed: bool
) -> None:
    await put(heard("click", Signal.CLICK, 0, "a"), *order("o1", days))
    await settled(db, settings)
    assert bool(await attributed(db)) is owed


async def test_opens_and_impressions_count_only_when_asked_for_and_never_before_a_click(
    put: Put, db: Database, settings: Settings, catalogue: dict[str, int]
) -> None:
    seen = settings.model_copy(update={"attribution_seen": True})
    await put(heard("click", Signal.CLICK, 0, "a", user="bob"), heard("open", Signal.OPEN, 50, user="bob"), heard("only", Signal.OPEN, 50))
    await put(*order("o1", 1), *order("o2", 2, user="bob"))
    await settled(db, settings)
    assert [(row[0], row[5]) for row in await attributed(db)] == [("bob", int(Signal.CLICK))]
    assert await attribute_since(db, seen, 1, NOON) == (2, 1)
    assert [(row[0], row[5]) for row in await attributed(db)] == [("ann", int(Signal.OPEN)), ("bob", int(Signal.CLICK))]
    assert await attribute_since(db, seen, 1, NOON) == (2, 0)
    assert await attribute_since(db, settings, 1, NOON) == (2, 0)
    assert [row[0] for row in await attributed(db)] == ["bob"]


def _story() -> list[list[Event]]:
    """Messages whose order of arrival must not matter."""
    both = ((1, "ann"), (2, "browser"))
    return [
        [heard("c1", Signal.CLICK, 0, "a", identities=((2, "browser"),))],
        [heard("c2", Signal.CLICK, 3600, "b", serve=OTHER)],
        [heard("b1", Signal.CLICK, 7200, "a", serve=b"m" * 16)],
        [heard("b2", Signal.CLICK, 7200.4, "b", serve=b"m" * 16)],
        [heard("b3", Signal.CLICK, 7200.8, "c", serve=b"m" * 16)],
        order("o1", 0.02, "ab", identities=((2, "browser"),)),
        order("o2", 3, "b"),
        order("o2", 3, "b", identities=((2, "browser"),), message="o2 of the page"),
        order("o3", 7.06, "c"),
        [Event(NOON, message_key("together"), both, name="identify")],
    ]


async def test_order_of_arrival_and_repetition_give_the_same_rows(
    put: Put, db: Database, settings: Settings, catalogue: dict[str, int]
) -> None:
    generator = random.Random(11)
    expected = None
    for turn in range(6):
        await db.run("truncate event, attribution, log_position, seen_0, seen_1, person, person_identity, person_merge, outbox cascade")
        story = _story()
        if turn:
            generator.shuffle(story)
        for message in itertools.chain(story, story[:3]):
            await put(*message)
            if generator.random() < 0.6:
                await jobs.follow(db, settings, 1)
        await settled(db, settings)
        found = [row[1:] for row in await attributed(db)]
        expected = expected or found
        assert found == expected
    assert expected is not None
    assert [(row[3], row[5]) for row in expected] == [(40.0, message_key("c1")), (20.0, message_key("c2"))]


async def test_a_group_that_is_parted_takes_its_clicks_along(put: Put, db: Database, settings: Settings, catalogue: dict[str, int]) -> None:
    """A browser turns out to have been Bob's before Ann used it: his clicks are no reason for her orders."""
    await put(Event(NOON, message_key("i1"), ((1, "ann"), (2, "browser")), name="identify"))
    await put(heard("click", Signal.CLICK, 60, "a", identities=((2, "browser"),)), *order("o1", 1))
    await settled(db, settings)
    assert [row[0] for row in await attributed(db)] == ["ann"]
    await put(Event(NOON - timedelta(days=1), message_key("i0"), ((1, "bob"), (2, "browser")), name="identify"))
    await settled(db, settings)
    assert await attributed(db) == []


async def test_an_order_whose_click_turns_out_a_machines_is_owed_to_nobody(
    put: Put, db: Database, settings: Settings, catalogue: dict[str, int]
) -> None:
    await put(heard("c1", Signal.CLICK, 0, "a"), *order("o1", 1))
    await settled(db, settings)
    assert len(await attributed(db)) == 1
    await put(heard("c2", Signal.CLICK, 0.5, "b"), heard("c3", Signal.CLICK, 1, "c"))
    await settled(db, settings)
    assert await attributed(db) == []


async def test_many_orders_without_any_signal_are_read_quickly(
    put: Put, db: Database, settings: Settings, catalogue: dict[str, int]
) -> None:
    await put(*(one for n in range(3000) for one in order(f"o{n}", n / 100, user=f"u{n % 500}")))
    assert await jobs.follow(db, settings, 1) == 3000
    assert await attributed(db) == []


async def test_a_tenant_without_events_does_not_pass_over_those_of_others_again_and_again(
    put: Put, db: Database, settings: Settings, catalogue: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_STRIDE", 0)
    await db.run("insert into tenant (tenant, name) values (2, 'other')")
    await put(heard("c1", Signal.CLICK, 0, "a"), *order("o1", 1))
    assert await jobs.follow(db, settings, 2) == 0
    (place,) = (await db.rows("select xid::text::bigint > (select max(xid::text::bigint) from event) from log_position where tenant = 2"))[
        0
    ]
    assert place
    await db.run(
        "insert into event (tenant, occurred_at, message_id, person_no, kind, signal, recommendation_id, client) "
        "values (2, :at, 'later', 0, 2, 10, :serve, 9)",
        at=NOON, serve=SERVE,
    )  # fmt: skip
    assert await jobs.follow(db, settings, 2) == 1
    assert (await db.rows("select mark from event where tenant = 2"))[0][0] == Mark.NO_BROWSER_AND_NO_OPEN


async def test_two_readers_at_once_do_no_harm(put: Put, db: Database, settings: Settings, catalogue: dict[str, int]) -> None:
    await put(heard("c1", Signal.CLICK, 0, "a"), *order("o1", 1))
    await asyncio.gather(*(jobs.follow(db, settings, 1) for _ in range(3)), attribute_since(db, settings, 1, NOON))
    assert len(await attributed(db)) == 1


async def values(db: Database) -> list[tuple[float, bool]]:
    return [tuple(row) for row in await db.rows("select value, item_bought from attribution order by ordered_at")]


async def test_an_order_told_twice_is_owed_once_and_what_came_back_is_not_owed(
    put: Put, db: Database, settings: Settings, catalogue: dict[str, int]
) -> None:
    await put(heard("c1", Signal.CLICK, 0, "a"), *order("o1", 1, "ab", price=5.0))
    await put(*order("o1", 1.001, "ab", price=5.0, message="o1 of the server"))
    await settled(db, settings)
    assert await values(db) == [(20.0, True)]

    def back(name: str, days: float, kind: Kind, item: str | None, quantity: float | None = None) -> Event:
        return Event(NOON + timedelta(days=days), message_key(name), ((1, "ann"),), kind, name, item, order_id="o1", quantity=quantity)

    await put(back("one of a", 2, Kind.RETURN, "a", 1.0))
    await settled(db, settings)
    assert await values(db) == [(15.0, True)]
    await put(back("the other", 3, Kind.RETURN, "a", 1.0))
    await settled(db, settings)
    assert await values(db) == [(10.0, False)]
    await put(back("all", 4, Kind.ORDER_CANCEL, None))
    await settled(db, settings)
    assert await values(db) == []
