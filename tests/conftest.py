"""Shared fixtures: real PostgreSQL and Valkey, started once for the run, and a migrated empty database for each test that asks."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from app.core import migrations
from app.core.db import Database
from app.core.embedded import Urls, services
from app.core.ids import DEFAULT_TENANT
from app.core.settings import Settings

# on a busy machine making inputs takes its time, which is no fault
hypothesis_settings.register_profile("morsel", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("morsel")

REQUIRE_SYSTEM = bool(os.environ.get("REQUIRE_SYSTEM"))


def needs(program: str) -> pytest.MarkDecorator:
    """Skip, by name, a test whose program is missing; under REQUIRE_SYSTEM it runs and fails instead."""
    missing = shutil.which(program) is None and not REQUIRE_SYSTEM
    return pytest.mark.skipif(missing, reason=f"{program} is not installed: run `make system-deps`")


@pytest.fixture(scope="session")
def servers() -> Iterator[Urls]:
    """Real servers for the whole run, in a folder of their own."""
    with tempfile.TemporaryDirectory(prefix="morsel-") as folder, services(Settings(data_dir=Path(folder))) as urls:
        yield urls


@pytest.fixture(scope="session")
def template_database(servers: Urls) -> str:
    """A migrated database that tests copy."""
    base = servers.database_url
    url = base.replace("/morsel?", "/template_morsel?")
    asyncio.run(_admin(base, "create database template_morsel"))
    migrations.upgrade(url)
    return url


@pytest.fixture
def database_url(servers: Urls, template_database: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """A migrated, empty database of this test's own."""
    name = f"t{os.urandom(6).hex()}"
    asyncio.run(_admin(servers.database_url, f"create database {name} template template_morsel"))
    yield servers.database_url.replace("/morsel?", f"/{name}?")
    asyncio.run(_admin(servers.database_url, f"drop database {name} with (force)"))


@pytest.fixture
def redis_url(servers: Urls) -> str:
    """The emptied Valkey of the run."""
    asyncio.run(_flush(servers.redis_url))
    return servers.redis_url


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """Settings that point to this test's own servers and folders."""
    return Settings(
        database_url=database_url,
        redis_url=redis_url,
        data_dir=tmp_path / "data",
        model_dir=tmp_path / "models",
        port=0,
        log_format="console",
    )


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    """A pool on this test's own database."""
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture
def tenant() -> int:
    """The number of the default tenant."""
    return DEFAULT_TENANT


async def _admin(url: str, statement: str) -> None:
    import asyncpg

    from app.core.db import async_url

    parsed = async_url(url)
    connection = await asyncpg.connect(host=parsed.query["host"], user=parsed.username, database="postgres")
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _flush(url: str) -> None:
    from app.core.redis import connect

    client = connect(url, timeout_ms=2000)
    await client.flushall()
    await client.aclose()
