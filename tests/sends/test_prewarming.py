"""A send starts warm: who is announced is answered from a list, whatever happens while the lists are made."""

from collections import Counter
from datetime import UTC, datetime

from app.core import ids, redis
from app.core.ids import DEFAULT_TENANT
from app.data.catalogue.service import put_items
from app.data.events.domain import About, Event, message_key
from app.data.kinds import Kind, Signal
from app.data.online.publisher import Publisher
from app.data.people.rebuild import rebuild
from app.data.privacy import consent as people
from app.decisions.placements import service as placements
from app.decisions.placements.domain import Filter, Placement
from app.ml.training.service import Options, train
from app.plugins import RECOMMENDERS
from tests.sends.calls import PEOPLE, announce, call, kept_list, shown, sources, warm
from tests.serving.shop import Shop, add_events, document


async def test_every_recipient_of_a_warm_send_is_answered_from_a_list(shop: Shop) -> None:
    send = await warm(shop, await announce(shop))
    progress = send["progress"]
    # the fixture has asked for u1 already
    assert (progress["warmed"], progress["already_warm"], progress["failed"], progress["rounds"]) == (159, 1, 0, 1)
    assert await sources(shop, PEOPLE) == {"cached": 160}


async def test_a_prewarmed_list_holds_what_serving_would_have_scored(shop: Shop) -> None:
    assert (await shop.get(placement="email-grid", user_id="u7")).json()["source"] == "live"

    async def left() -> object:
        return (await kept_list(shop, "u7"))[0]

    served = await shop.until(left)
    key = await _forget(shop, "u7")
    await warm(shop, await announce(shop, ["u7"]))
    made, _ = await kept_list(shop, "u7")
    assert key
    assert made is not None
    assert (made.model_no, made.made_from, list(made.groups)[:50]) == (served.model_no, served.made_from, list(served.groups)[:50])
    assert all(abs(a - b) < 1e-3 for a, b in zip(made.scores, served.scores, strict=True))


async def test_a_list_stays_current_until_the_person_does_something(shop: Shop) -> None:
    await warm(shop, await announce(shop, ["u7", "u11"]))
    (seq,) = (await shop.db.rows(_READINGS, key=_key("u7")))[0]
    answer = await shop.http.patch("/v1/admin/people/u7/traits", json={"city": "Lyon"}, headers={"X-Api-Key": shop.key})
    assert answer.status_code == 200

    async def read_anew() -> bool:
        return bool((await shop.db.rows(_READINGS, key=_key("u7")))[0][0] > seq)

    assert await shop.until(read_anew)
    await add_events(shop.db, shop.settings, [Event(datetime.now(UTC), message_key("look"), ((1, "u11"),), Kind.VIEW, item_id="i5")])

    async def live() -> bool:
        return await sources(shop, ["u11"]) == {"live": 1}

    # who comes later is told later: the trait has reached Redis by then
    assert await shop.until(live)
    assert await sources(shop, ["u7"]) == {"cached": 1}
    about = About(Signal.OPEN, campaign="spring")
    opened = Event(datetime.now(UTC), message_key("open"), ((1, "u7"),), name="open", about=about, on_site=False)
    (seq,) = (await shop.db.rows(_READINGS, key=_key("u7")))[0]
    await add_events(shop.db, shop.settings, [opened])
    assert await shop.until(read_anew)
    await shop.http.put("/v1/admin/people/u7/consent", json={"email": False}, headers={"X-Api-Key": shop.key})
    nodes = redis.Nodes(shop.settings.redis_url, timeout_ms=2000)
    await rebuild(shop.db, shop.settings, Publisher(nodes, shop.settings.state_ttl_days), DEFAULT_TENANT)
    await nodes.aclose()
    assert await sources(shop, ["u7"]) == {"cached": 1}


_READINGS = "select seq from person_state where key = :key"


def _key(user: str) -> bytes:
    return ids.person_key(DEFAULT_TENANT, ids.IdentityKind.USER_ID, user)


async def _forget(shop: Shop, user: str) -> bool:

    rules = shop.app.state.resources.holder.current[1].config.placements["email-grid"].placement
    _, key = ids.person_keys(1, ids.person_key(1, 1, user), rules.recommender, rules.filter.key, "")
    client = redis.connect(shop.settings.redis_url, timeout_ms=2000)
    try:
        return bool(await client.delete(key))
    finally:
        await client.aclose()


async def test_everybody_is_accounted_for_and_only_those_with_a_list_to_make_are_scored(shop: Shop) -> None:
    number = await people.set_consent(shop.db, shop.settings, DEFAULT_TENANT, "u5", False)
    assert await people.wait_applied(shop.db, DEFAULT_TENANT, number, 5)
    await put_items(shop.db, shop.settings, DEFAULT_TENANT, [{**document(3), "id": "unseen"}])
    event = Event(datetime.now(UTC), message_key("fresh"), ((1, "fresh"),), Kind.VIEW, item_id="unseen")
    await add_events(shop.db, shop.settings, [event])
    await people.set_consent(shop.db, shop.settings, DEFAULT_TENANT, "silent", True)
    given = ["u2", "u2", "u3", "u5", "fresh", "silent", "nobody", "nobody", "no\0body", "\ud800", "", 7, None, "x" * 300]
    send = await announce(shop, given)
    assert send["audience"] == {"given": 14, "duplicate": 2, "unreadable": 5, "people": 7, "everyone": False, "segment": "", "when": ""}
    assert send["refused"] == [
        {"place": 9, "reason": "contains a NUL character"},
        {"place": 10, "reason": "is not valid UTF-8"},
        {"place": 11, "reason": "is empty"},
        {"place": 13, "reason": "is not a text"},
        {"place": 14, "reason": "is longer than 256 characters"},
    ]
    progress = (await warm(shop, send))["progress"]
    assert {name: progress[name] for name in ("warmed", "no_consent", "no_history", "unknown")} == {
        "warmed": 2, "no_consent": 1, "no_history": 2, "unknown": 2,
    }  # fmt: skip
    assert (await kept_list(shop, "u5"))[0] is None
    assert (await kept_list(shop, "fresh"))[0] is None


async def test_a_current_list_is_not_scored_again_and_lives_past_the_later_send(shop: Shop) -> None:
    await warm(shop, await announce(shop, ["u3", "u4"]))
    first, short = await kept_list(shop, "u3")
    await warm(shop, await announce(shop, ["u3", "u4"], duration_s=3 * 86_400))
    second = await warm(shop, await announce(shop, ["u3", "u4"]))
    assert (second["progress"]["already_warm"], second["progress"]["scored_in_all"]) == (2, 0)
    again, long = await kept_list(shop, "u3")
    assert first is not None
    assert again is not None
    assert list(again.scores) == list(first.scores)
    assert short <= 86_400
    assert long > 3 * 86_400 + 3600


async def test_a_placement_with_blocked_items_and_a_narrow_filter_is_answered_from_the_list_too(shop: Shop) -> None:
    blocked = tuple(f"i{number}" for number in range(0, 100, 4))
    narrow = Placement(filter=Filter(categories=("Shoes", "Hats")), blocked=blocked, count=20)
    await placements.publish(shop.db, DEFAULT_TENANT, "narrow", narrow)
    await shop.settled()
    await warm(shop, await announce(shop, placement="narrow"))
    assert await sources(shop, PEOPLE, "narrow") == {"cached": 160}


async def test_people_of_whom_the_placement_wants_to_know_more_count_as_without_history(shop: Shop) -> None:
    event = Event(datetime.now(UTC), message_key("once"), ((1, "once"),), Kind.VIEW, item_id="i3")
    await add_events(shop.db, shop.settings, [event])
    await placements.publish(shop.db, DEFAULT_TENANT, "sure", Placement(least_confidence=0.9))
    await shop.settled()

    async def applied() -> bool:
        return bool((await shop.get(placement="email-grid", user_id="once")).json()["source"] == "live")

    assert await shop.until(applied)
    progress = (await warm(shop, await announce(shop, ["once", "u9"], placement="sure")))["progress"]
    assert (progress["warmed"], progress["no_history"]) == (1, 1)
    assert await sources(shop, ["u9"], "sure") == {"cached": 1}


async def test_everyone_is_everybody_with_a_user_id(shop: Shop) -> None:
    event = Event(datetime.now(UTC), message_key("visitor"), ((2, "cookie"),), Kind.VIEW, item_id="i3")
    await add_events(shop.db, shop.settings, [event])
    send = await announce(shop, everyone=True)
    assert send["audience"] == {"given": 160, "duplicate": 0, "unreadable": 0, "people": 160, "everyone": True, "segment": "", "when": ""}
    progress = (await warm(shop, send))["progress"]
    assert progress["warmed"] + progress["already_warm"] == 160
    assert (await shop.db.rows("select count(*) from send_person"))[0][0] == 0


async def test_another_model_while_lists_are_made_begins_again_with_it(shop: Shop) -> None:
    await warm(shop, send := await announce(shop))
    await train(shop.db, shop.settings, DEFAULT_TENANT, ["personal"], RECOMMENDERS, Options(promote=True, seed=3))
    await shop.settled()
    found = await warm(shop, send, rounds=2)
    assert found["note"] == "began again: another model is live"
    assert found["progress"]["warmed"] == 160
    assert found["progress"]["scored_in_all"] == 319
    assert await sources(shop, PEOPLE) == {"cached": 160}


async def test_another_filter_begins_again_with_it(shop: Shop) -> None:
    await warm(shop, send := await announce(shop))
    await placements.publish(shop.db, DEFAULT_TENANT, "email-grid", Placement(filter=Filter(categories=("Shoes",))))
    await shop.settled()
    found = await warm(shop, send, rounds=2)
    assert found["note"] == "began again: the placement's filter changed"
    assert await sources(shop, PEOPLE) == {"cached": 160}


async def test_a_person_linked_to_another_id_is_warm_under_the_id_of_the_send(shop: Shop) -> None:
    events = [
        Event(datetime.now(UTC), message_key(f"link{step}"), ((1, "member"), (2, "cookie"), (3, "ab" * 32)), Kind.VIEW, item_id=f"i{step}")
        for step in range(4)
    ]
    await add_events(shop.db, shop.settings, events)

    async def applied() -> bool:
        return bool((await shop.get(placement="email-grid", user_id="member", explain="1")).json()["explain"]["history_length"] == 4)

    assert await shop.until(applied)
    await warm(shop, await announce(shop, ["member"]))
    assert await sources(shop, ["member"]) == {"cached": 1}


async def test_the_audience_is_kept_as_numbers_and_forgotten_when_the_send_is_called_off(shop: Shop) -> None:
    send = await announce(shop, ["u11", "u12"])
    rows = await shop.db.rows("select send_person::text from send_person union all select send::text from send")
    assert len(rows) == 3
    assert not any("u11" in row[0] or "u12" in row[0] for row in rows)
    await warm(shop, send)
    cancelled = await call(shop, "DELETE", f"/{send['id']}")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert (await shop.db.rows("select count(*) from send_person"))[0][0] == 0
    after = await shown(shop, send)
    assert (after["status"], after["forecast"], after["findings"]) == ("cancelled", None, [])


async def test_a_send_whose_end_has_come_is_over_and_its_audience_forgotten(shop: Shop) -> None:
    send = await warm(shop, await announce(shop, start=None, duration_s=3))

    async def over() -> bool:
        return bool((await shown(shop, send))["status"] == "over")

    assert await shop.until(over)
    assert (await shop.db.rows("select count(*) from send_person"))[0][0] == 0
    answer = await call(shop, "DELETE", f"/{send['id']}")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert Counter((await shown(shop, send))["progress"])["warmed"] == 159
