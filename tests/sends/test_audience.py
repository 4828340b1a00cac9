"""A send goes to the people of a segment, or to whoever meets a condition: told when it is announced, found when a round begins."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.core.ids import DEFAULT_TENANT
from app.data.events.domain import Event, message_key
from app.data.kinds import Kind
from app.data.privacy import consent as people
from app.ml.training.service import Options, train
from app.plugins import RECOMMENDERS
from app.sends import store
from tests.documents.test_kit import send as admin
from tests.sends.calls import announce, call, shown, sources, warm
from tests.serving.shop import Shop, add_events

# every fourth person likes hats: u2, u6 ...
HATS = "affinity.category[Hats] > 0.5"
FORTY = [f"u{number}" for number in range(2, 160, 4)]


async def to(shop: Shop, **audience: Any) -> dict[str, Any]:
    body = {"placement": "email-grid", "start": (datetime.now(UTC) + timedelta(hours=1)).isoformat(), "duration_s": 3600, **audience}
    answer = await call(shop, "POST", body=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def looked_at(shop: Shop, user: str) -> None:
    event = Event(datetime.now(UTC), message_key(f"{user}-hat"), ((1, user),), Kind.PURCHASE, item_id="i2", order_id=f"{user}-hat")
    await add_events(shop.db, shop.settings, [event])


async def ready(shop: Shop, name: str, size: int) -> bool:
    async def there() -> bool:
        found = (await admin(shop, "GET", f"segments/{name}")).json()
        return bool(found["ready"] and found["size"] == size)

    return bool(await shop.until(there, 20))


async def test_the_people_of_a_segment_are_warm_and_each_round_finds_them_anew(shop: Shop) -> None:
    assert (await admin(shop, "PUT", "segments/hats", {"when": HATS})).status_code == 200
    assert await ready(shop, "hats", 40)
    made = await to(shop, segment="hats")
    assert made["audience"] == {
        "given": 40, "duplicate": 0, "unreadable": 0, "people": 40, "everyone": False, "segment": "hats", "when": "",
    }  # fmt: skip
    assert (await warm(shop, made))["progress"]["audience"] == 40
    assert await sources(shop, FORTY) == {"cached": 40}
    await looked_at(shop, "newcomer")
    assert await ready(shop, "hats", 41)
    await train(shop.db, shop.settings, DEFAULT_TENANT, ["personal"], RECOMMENDERS, Options(promote=True, seed=3))
    await shop.settled()
    assert (await warm(shop, made, rounds=2))["progress"]["audience"] == 41
    assert await sources(shop, ["newcomer"]) == {"cached": 1}
    assert (await call(shop, "DELETE", f"/{made['id']}")).status_code == 200
    assert (await shop.db.rows("select count(*) from send_person"))[0][0] == 0


@pytest.mark.parametrize("when", [HATS, {"fact": "affinity.category[Hats]", "is": ">", "value": 0.5}])
async def test_whoever_meets_a_condition_and_allows_it_is_warm(shop: Shop, when: Any) -> None:
    number = await people.set_consent(shop.db, shop.settings, DEFAULT_TENANT, "u6", False)
    assert await people.wait_applied(shop.db, DEFAULT_TENANT, number, 30)
    event = Event(datetime.now(UTC), message_key("visitor"), ((2, "cookie"),), Kind.VIEW, item_id="i2")
    await add_events(shop.db, shop.settings, [event])
    made = await to(shop, when=when)
    assert made["audience"]["when"] == HATS
    found = await warm(shop, made)
    assert found["progress"]["audience"] == 39
    assert await sources(shop, [one for one in FORTY if one != "u6"]) == {"cached": 39}


@pytest.mark.parametrize(
    ("audience", "field", "told"),
    [
        ({"segment": "hatz"}, "segment", "did you mean hats?"),
        ({"when": "segment.hatz"}, "when", "did you mean hats?"),
        ({"when": "orderz > 1"}, "when", "did you mean orders?"),
        ({"when": "now.hour > 1"}, "when", ""),
        ({"segment": "hats", "when": "orders > 1"}, "user_ids", "one segment or condition"),
        ({"segment": "hats", "everyone": True}, "user_ids", "one segment or condition"),
    ],
)
async def test_an_audience_that_cannot_be_is_refused_with_the_nearest(shop: Shop, audience: Any, field: str, told: str) -> None:
    assert (await admin(shop, "PUT", "segments/hats", {"when": HATS})).status_code == 200
    answer = await call(shop, "POST", body={"placement": "email-grid", "duration_s": 60, **audience})
    assert (answer.status_code, [one["field"] for one in answer.json()["errors"]]) == (422, [field])
    assert told in answer.json()["errors"][0]["message"]
    assert await store.sends(shop.db, DEFAULT_TENANT) == []


async def test_a_send_to_a_segment_that_went_away_waits_and_says_so(shop: Shop) -> None:
    assert (await admin(shop, "PUT", "segments/hats", {"when": HATS})).status_code == 200
    assert await ready(shop, "hats", 40)
    made = await to(shop, segment="hats", start=(datetime.now(UTC) + timedelta(days=3)).isoformat())
    assert (await admin(shop, "DELETE", "segments/hats")).status_code == 409
    # as a database that was restored may have it
    await shop.db.run("update segment set published = null where name = 'hats'")
    await shop.db.run("update change set version = version + 1 where area = 'content'")
    await shop.db.run("update send set start_at = now() + interval '1 hour'")

    async def waits() -> bool:
        return bool((await shown(shop, made))["note"] == "waits: there is no segment hats")

    assert await shop.until(waits)
    assert (await admin(shop, "PUT", "segments/hats", {"when": HATS})).status_code == 200
    assert (await warm(shop, made))["progress"]["audience"] == 40


async def test_ids_are_an_audience_as_before(shop: Shop) -> None:
    assert (await warm(shop, await announce(shop, ["u1", "u2"])))["progress"]["audience"] == 2
