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

        async def personal() -> bool:
            answer = (await made.get(placement="email-grid", user_id="u1", explain="1")).json()
            return answer["source"] in ("live", "cached") and answer["explain"]["redis_trusted"]

        assert await made.until(personal)
        yield made
