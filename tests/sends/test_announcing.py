"""Announcing over HTTP: what is counted, what is forecast, what is refused and how clearly."""

import json
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.access import service as access
from app.access.domain import Scope
from app.access.schemas import NewClient, NewKey
from app.core import redis
from app.core.db import Database
from app.core.ids import DEFAULT_TENANT
from app.core.settings import Settings
from tests.sends.calls import announce, call, shown, soon, warm
from tests.serving.shop import Shop, running, stock

GOOD: dict[str, Any] = {"placement": "email-grid", "duration_s": 60, "user_ids": ["u1"]}


def codes(send: dict[str, Any]) -> dict[str, str]:
    return {one["code"]: one["severity"] for one in send["findings"]}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({**GOOD, "duration_s": 0}, "duration_s"),
        ({**GOOD, "duration_s": -5}, "duration_s"),
        ({**GOOD, "duration_s": 5 * 86_400 + 1}, "duration_s"),
        ({**GOOD, "start": "2020-01-01T00:00:00Z"}, "start"),
        ({**GOOD, "start": "2027-01-01T00:00:00"}, "start"),
        ({**GOOD, "start": "soon"}, "start"),
        ({**GOOD, "start": (datetime.now(UTC) + timedelta(days=91)).isoformat()}, "start"),
        ({**GOOD, "everyone": True}, "user_ids"),
        ({"placement": "email-grid", "duration_s": 60}, "user_ids"),
        ({**GOOD, "user_ids": "u1,u2"}, "user_ids"),
        ({**GOOD, "placement": "No such name"}, "placement"),
        ({**GOOD, "name": "a\0b"}, "name"),
        ({**GOOD, "audience": ["u1"]}, "audience"),
        ({"user_ids": ["u1"], "duration_s": 60}, "placement"),
    ],
)
async def test_a_send_that_cannot_be_is_refused_by_field_and_nothing_is_kept(shop: Shop, body: dict[str, Any], field: str) -> None:
    answer = await call(shop, "POST", body=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "invalid"
    assert [one["field"] for one in answer.json()["errors"]] == [field]
    assert (await call(shop, "GET")).json() == {"sends": [], "next": None}


async def test_a_dry_run_says_the_same_and_keeps_nothing(shop: Shop) -> None:
    wanted = {**GOOD, "user_ids": ["u1", "u2", "nobody"], "start": soon(2), "name": "Spring"}
    tried = await call(shop, "POST", body=wanted, params={"dry_run": "1"})
    assert tried.status_code == 200
    assert (await call(shop, "GET")).json() == {"sends": [], "next": None}
    assert (await shop.db.rows("select count(*) from send_person"))[0][0] == 0
    made = await call(shop, "POST", body=wanted)
    assert made.status_code == 201
    said, kept = tried.json(), made.json()
    assert said["id"] is None
    for name in ("audience", "findings", "refused", "start", "end", "status"):
        assert said[name] == kept[name]
    assert {name: said["forecast"][name] for name in ("requests", "peak_requests_per_s")} == {"requests": 9, "peak_requests_per_s": 0.3}
    listed = (await call(shop, "GET")).json()["sends"]
    assert [(one["id"], one["name"]) for one in listed] == [(kept["id"], "Spring")]


async def test_a_healthy_shop_is_told_only_what_was_not_measured(shop: Shop) -> None:
    send = await announce(shop)
    assert codes(send) == {"capacity_not_measured": "warning"}
    forecast = send["forecast"]
    assert (forecast["capacity"], forecast["capacity_requests_per_s"], forecast["fits"]) == ("not measured", None, None)
    await shop.db.run("update capacity set cpu_us = 500, requests = 900, measured_at = now()")
    forecast = (await shown(shop, send))["forecast"]
    assert (forecast["capacity"], forecast["fits"]) == ("measured", True)
    assert forecast["capacity_requests_per_s"] == pytest.approx(0.7 * 2000, rel=0.01)
    tight = await announce(shop, duration_s=1)
    assert tight["forecast"]["peak_requests_per_s"] == 960
    assert codes(tight) == {"peak_over_limit": "warning"}
    await shop.db.run("update capacity set cpu_us = 5000")
    assert codes(await shown(shop, tight))["peak_over_capacity"] == "error"


async def test_sends_at_the_same_time_add_up(shop: Shop) -> None:
    first = await announce(shop, duration_s=600)
    second = await announce(shop, ["u1"], start=soon(1.1), duration_s=600)
    later = await announce(shop, ["u1"], start=soon(3), duration_s=600)
    assert second["forecast"]["other_sends_per_s"] == first["forecast"]["peak_requests_per_s"]
    assert later["forecast"]["other_sends_per_s"] == 0


async def test_an_empty_audience_is_announced_and_told(shop: Shop) -> None:
    for ids in ([], ["", "\0"]):
        send = await announce(shop, ids)
        assert codes(send)["audience_empty"] == "error"
        assert (await warm(shop, send))["progress"]["done"] == 0


async def test_a_hundred_thousand_ids_are_announced_in_seconds_and_unknown_ones_told(shop: Shop) -> None:
    began = time.monotonic()
    send = await announce(shop, [f"u{number}" for number in range(100_000)])
    assert time.monotonic() - began < 20
    assert send["audience"]["people"] == 100_000
    assert codes(send)["audience_mostly_unknown"] == "warning"
    assert codes(send)["peak_over_limit"] == "warning"
    assert (await shop.db.rows("select count(*) from send_person"))[0][0] == 160
    progress = (await warm(shop, send))["progress"]
    assert (progress["audience"], progress["unknown"]) == (100_000, 99_840)


async def test_a_body_over_the_limit_is_refused(settings: Settings, db: Database) -> None:
    async with running(settings.model_copy(update={"max_body_bytes": 65_536}), db, work=False) as shop:
        answer = await call(shop, "POST", body={**GOOD, "user_ids": ["x" * 100] * 1000})
        assert answer.status_code == 413


async def test_a_send_to_start_at_once_is_late_only_while_it_is_cold(shop: Shop) -> None:
    send = await announce(shop, start=(datetime.now(UTC) - timedelta(seconds=5)).isoformat())
    assert codes(send)["no_time_to_prewarm"] == "error"
    assert "no_time_to_prewarm" not in codes(await warm(shop, send))


async def test_what_is_missing_is_told_before_the_send(settings: Settings, db: Database) -> None:
    await stock(db, settings)
    async with running(settings, db, work=False) as shop:
        unknown = await announce(shop, placement="email-gird")
        assert codes(unknown)["placement_unknown"] == "error"
        assert "for one that exists, such as email-grid." in json.dumps(unknown)
        assert codes(await announce(shop, placement="home-popular"))["placement_without_recommender"] == "error"
        send = await announce(shop)
        found = codes(send)
        # nobody works: no state was made, and Redis bears no marker
        assert found["worker_away"] == "error"
        assert found["redis_not_whole"] == "warning"
        await db.run("update event set received_at = received_at - interval '5 minutes', occurred_at = occurred_at - interval '3 days'")
        await db.run("update popular_list set computed_at = now() - interval '2 days'")
        await db.run("update change set changed_at = now() - interval '9 days' where area = 'catalogue'")
        await db.run("update model set manifest = jsonb_set(manifest, '{data,to}', to_jsonb((now() - interval '20 days')::text))")
        await db.run("update signing_key set retired_at = now() where purpose = 'link'")
        found = codes(await shown(shop, send))
        assert {"events_not_applied", "events_old", "popular_old", "catalogue_old", "model_old", "links_unsigned"} <= set(found)
        await db.run("update item set available = false")
        shutil.rmtree(Path(settings.model_dir) / "default" / "personal")
        found = codes(await shown(shop, send))
        assert {"catalogue_empty", "model_unusable"} <= set(found)


async def test_a_redis_without_room_is_told_and_waited_for(shop: Shop) -> None:
    client = redis.connect(shop.settings.redis_url, timeout_ms=2000)
    try:
        await client.config_set("maxmemory", 1024)
        send = await announce(shop)
        assert codes(send)["redis_memory"] == "error"

        async def waits() -> bool:
            return bool((await shown(shop, send))["note"] == "waits: Redis takes no lists")

        assert await shop.until(waits)
    finally:
        await client.config_set("maxmemory", 0)
        await client.aclose()
    assert (await warm(shop, send))["progress"]["failed"] == 0


async def test_reading_needs_admin_read_and_announcing_admin(shop: Shop) -> None:
    send = await announce(shop)
    keys = {}
    for scope in (Scope.ADMIN_READ, Scope.RECOMMEND):
        client = await access.create_client(shop.db, shop.settings, DEFAULT_TENANT, NewClient(name=scope, scopes=[scope]))
        keys[scope] = (await access.create_key(shop.db, DEFAULT_TENANT, client.client_id, NewKey())).key
    await shop.settled()
    reader, caller = keys[Scope.ADMIN_READ], keys[Scope.RECOMMEND]
    path = f"/{send['id']}"
    assert (await call(shop, "GET", key=reader)).status_code == 200
    assert (await call(shop, "GET", path, key=reader)).status_code == 200
    for key, method, where in ((reader, "POST", ""), (reader, "DELETE", path), (caller, "GET", path), (caller, "POST", "")):
        assert (await call(shop, method, where, key=key, body=GOOD)).status_code == 403


async def test_an_unknown_send_is_not_found_and_a_cancelled_one_stays_cancelled(shop: Shop) -> None:
    for method in ("GET", "DELETE"):
        answer = await call(shop, method, "/12345")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    send = await announce(shop, ["u1"])
    for _ in range(2):
        assert (await call(shop, "DELETE", f"/{send['id']}")).json()["status"] == "cancelled"


async def test_one_tenant_sees_nothing_of_another(shop: Shop) -> None:
    send = await announce(shop, ["u1"])
    await shop.db.run("insert into tenant (tenant, name) values (2, 'second')")
    client = await access.create_client(shop.db, shop.settings, 2, NewClient(name="other", scopes=[Scope.ADMIN]))
    key = (await access.create_key(shop.db, 2, client.client_id, NewKey())).key
    await shop.settled()
    assert (await call(shop, "GET", key=key)).json() == {"sends": [], "next": None}
    assert (await call(shop, "GET", f"/{send['id']}", key=key)).status_code == 404
    assert (await call(shop, "DELETE", f"/{send['id']}", key=key)).status_code == 404
    # the other shop's people are strangers here
    answer = await call(shop, "POST", key=key, body={**GOOD, "start": soon()})
    assert answer.json()["progress"]["unknown"] == 1
