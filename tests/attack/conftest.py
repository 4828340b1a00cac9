"""A stocked shop behind a real socket."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from app.core.db import Database
from app.core.embedded import Urls
from app.core.settings import Settings
from tests.attack.peer import Listening, listening
from tests.databases import Databases
from tests.serving.conftest import shop
from tests.serving.shop import Shop, running, stock

__all__ = ["shop"]


@pytest.fixture(scope="package")
def plain_url(databases: Databases) -> Iterator[str]:
    """The database of the shop for all questions."""
    with databases.fresh() as url:
        yield url


@pytest.fixture(scope="package")
async def plain_shop(servers: Urls, plain_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    """A shop without models and worker for all questions of the wire, which change nothing in it."""
    folder = Path(tmp_path_factory.mktemp("plain"))
    settings = Settings(
        database_url=plain_url,
        redis_url=servers.redis_url,
        data_dir=folder / "data",
        model_dir=folder / "models",
        port=0,
        log_format="console",
    )
    db = Database(plain_url)
    await stock(db, settings, models=False)
    async with running(settings, db, rate="100000/second", work=False) as made:
        yield made
    await db.close()


@pytest.fixture
async def door(plain_shop: Shop) -> AsyncIterator[Listening]:
    """The shop on a port of this machine."""
    async with listening(plain_shop.app, plain_shop.key) as made:
        yield made
