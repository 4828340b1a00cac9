"""Consent holds within a second or two although nobody can tell Redis: the person is read from PostgreSQL, others are not."""

from collections.abc import AsyncIterator

import pytest

from app.core import ids
from app.core.db import Database
from app.core.redis import Nodes
from app.core.settings import Settings
from app.data.online.publisher import Publisher
from app.data.people import states
from app.data.people.rebuild import rebuild
from app.data.privacy import consent as people
from app.serving.watch import unconfirmed
from tests.serving.shop import Shop, running, stock


@pytest.fixture
async def publisher(settings: Settings) -> AsyncIterator[Publisher]:
    nodes = Nodes(settings.redis_url, timeout_ms=2000)
    yield Publisher(nodes, settings.state_ttl_days)
    await nodes.aclose()


async def found(shop: Shop, user: str) -> tuple[bool, bool]:
    """Tell whether the answer heeds a withdrawal, and whether Redis was believed."""
    answer = (await shop.get(placement="email-grid", user_id=user, explain="1")).json()
    return answer["explain"]["person"] == "no_consent", answer["explain"]["redis_trusted"]


async def until_found(shop: Shop, user: str, expected: tuple[bool, bool]) -> None:
    async def is_found() -> bool:
        return await found(shop, user) == expected

    assert await shop.until(is_found, 3)


async def test_a_withdrawal_that_no_worker_delivers_is_heeded_and_concerns_nobody_else(
    settings: Settings, db: Database, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stock(db, settings, models=False)
    await rebuild(db, settings, publisher, ids.DEFAULT_TENANT)
    async with running(settings.model_copy(update={"refresh_ms": 100}), db, work=False) as shop:
        await until_found(shop, "u1", (False, True))
        await people.set_consent(db, settings, ids.DEFAULT_TENANT, "u1", False)
        await until_found(shop, "u1", (True, False))
        assert await found(shop, "u2") == (False, True), "Redis is up, whole, and believed for everybody else"
        await states.deliver(db, settings, publisher, ids.DEFAULT_TENANT)
        await until_found(shop, "u1", (True, True))

        monkeypatch.setattr(unconfirmed, "_MOST", 3)
        for number in range(10, 15):
            await people.set_consent(db, settings, ids.DEFAULT_TENANT, f"u{number}", False)
        await until_found(shop, "u2", (False, False))  # too many to name: the whole tenant is read from PostgreSQL
        await until_found(shop, "u14", (True, False))
        await states.deliver(db, settings, publisher, ids.DEFAULT_TENANT)
        await until_found(shop, "u2", (False, True))
