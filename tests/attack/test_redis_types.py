"""A key of another type in Redis, or an odd value, spoils at most itself, and is put right."""

import asyncio
from datetime import UTC, datetime

import pytest
from redis.asyncio import Redis

from app.core.ids import DEFAULT_TENANT, IdentityKind, marker_key, person_key, state_key
from app.core.redis import connect
from app.data.events.domain import Event, message_key
from app.data.kinds import Kind
from tests.serving.shop import Shop, add_events


async def spoil(client: Redis, key: str | bytes) -> None:
    await client.delete(key)
    await client.lpush(key, "x")


async def personal(shop: Shop, number: int) -> bool:
    answer = (await shop.get(placement="email-grid", user_id=f"u{number}", explain="1")).json()
    return bool(answer["source"] in ("live", "cached") and answer["explain"]["redis_trusted"])


async def test_a_state_of_another_type_is_written_again_with_the_next_event_and_nobody_else_notices(shop: Shop) -> None:
    client = connect(shop.settings.redis_url, timeout_ms=2000)
    key = state_key(DEFAULT_TENANT, person_key(DEFAULT_TENANT, IdentityKind.USER_ID, "u1"))
    await spoil(client, key)
    assert not await personal(shop, 1)
    assert await personal(shop, 2)
    await add_events(shop.db, shop.settings, [Event(datetime.now(UTC), message_key("odd"), ((1, "u1"),), Kind.VIEW, item_id="i8")])
    assert await shop.until(lambda: personal(shop, 1))
    marker = await client.get(marker_key(DEFAULT_TENANT))
    for _ in range(20):
        await asyncio.sleep(0.05)
        assert await client.get(marker_key(DEFAULT_TENANT)) == marker, "the node stays whole"
    await client.aclose()


@pytest.mark.parametrize("suffix", ["", ":renewed"])
async def test_a_marker_of_another_type_is_put_right(shop: Shop, suffix: str) -> None:
    client = connect(shop.settings.redis_url, timeout_ms=2000)
    key = marker_key(DEFAULT_TENANT) + suffix
    await spoil(client, key)

    async def right() -> bool:
        return bool(await client.type(key) != b"list" and await personal(shop, 1))

    assert await shop.until(right, 30)
    await client.aclose()


async def test_every_key_there_is_may_be_of_another_type(shop: Shop) -> None:
    client = connect(shop.settings.redis_url, timeout_ms=2000)
    for number in range(5):
        await shop.get(placement="email-grid", user_id=f"u{number}", send_id="s1")
    keys = [key async for key in client.scan_iter(match="m:*")]
    kinds = {key.decode().partition("}:")[2].split(":")[0] for key in keys}
    assert {"s", "c", "p", "l", "whole"} <= kinds
    for key in keys:
        await spoil(client, key)
    for number in range(5):
        answer = await shop.get(placement="email-grid", user_id=f"u{number}", send_id="s1")
        assert (answer.status_code, answer.json()["item_count"]) == (200, 6)
    assert (await shop.http.get("/v1/admin/placements", headers={"X-Api-Key": shop.key})).status_code == 200
    await client.aclose()


async def test_a_pin_of_another_type_is_replaced_so_that_all_parts_of_a_mail_agree(shop: Shop) -> None:
    client = connect(shop.settings.redis_url, timeout_ms=2000)
    await shop.get(placement="email-grid", user_id="u1", send_id="s2")
    (pin,) = [key async for key in client.scan_iter(match="m:*:p:*")]
    await spoil(client, pin)
    ids = [(await shop.get(placement="email-grid", user_id="u1", send_id="s2")).json()["recommendation_id"] for _ in range(3)]
    assert len(set(ids)) == 1
    assert await client.type(pin) == b"string"
    await client.aclose()


@pytest.mark.parametrize("odd", [b"x", b"", b"nan", b"-5", b"1e999"])
async def test_an_odd_count_of_a_limit_admits_no_more_and_keeps_the_shared_limit_alive(redis_url: str, odd: bytes) -> None:
    from app.access.limits.leases import Limiter
    from app.core.settings import Settings
    from tests.access.test_limits import burst, caller

    client = connect(redis_url, timeout_ms=2000)
    worker = Limiter.connect(redis_url, Settings(workers=1))
    principal = caller("50/hour")
    assert await burst([worker], principal, 30) == 30
    keys = [key async for key in client.scan_iter(match="m:*:l:*")]
    for key in keys:
        await client.set(key, odd)
    assert await burst([worker], principal, 100) <= 20
    for key in keys:
        await spoil(client, key)
    fresh = Limiter.connect(redis_url, Settings(workers=1))
    assert await burst([fresh], principal, 60) == 50
    assert not fresh._down_until
    await worker.close()
    await fresh.close()
    await client.aclose()
