"""A stocked and running shop for serving tests."""

from collections.abc import AsyncIterator

import pytest

from app.core.db import Database
from app.core.settings import Settings
from tests.serving.shop import Shop, running


@pytest.fixture
async def shop(stocked_settings: Settings, db: Database) -> AsyncIterator[Shop]:
    """A shop with four tastes, trained models and a worker that has brought every state to Redis."""
    async with running(stocked_settings, db) as made:
        await _personal(made)
        yield made


@pytest.fixture
async def unhurried(stocked_settings: Settings, db: Database) -> AsyncIterator[Shop]:
    """The same shop, which waits for Redis and models on a busy machine too."""
    patience = {"redis_timeout_ms": 5_000, "lookup_timeout_ms": 5_000, "deadline_ms": 10_000}
    async with running(stocked_settings.model_copy(update=patience), db) as made:
        await _personal(made)
        yield made


async def _personal(shop: Shop) -> None:
    """Wait until people get answers of their own."""

    async def personal() -> bool:
        answer = (await shop.get(placement="email-grid", user_id="u1", explain="1")).json()
        return answer["source"] in ("live", "cached") and answer["explain"]["redis_trusted"]

    assert await shop.until(personal)
