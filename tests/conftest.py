"""Shared fixtures: real PostgreSQL and Valkey, started once for the run, and a migrated empty database for each test that asks."""

import asyncio
import functools
import itertools
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from app.access.tokens import keys
from app.core.db import Database
from app.core.embedded import Urls
from app.core.ids import DEFAULT_TENANT
from app.core.settings import Settings
from tests.databases import Databases, started

# servers that tests start need no dashboard beside them; those that do say so
os.environ.setdefault("MORSEL_DASHBOARD", "false")
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
    with started() as urls:
        yield urls


@pytest.fixture(scope="session")
def databases(servers: Urls) -> Iterator[Databases]:
    """Whoever makes databases on the servers of the run."""
    made = Databases(servers.database_url)
    yield made
    made.close()


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """A migrated, empty database of this test's own."""
    with databases.fresh() as url:
        yield url


@functools.cache
def _rsa_keys() -> Iterator[rsa.RSAPrivateKey]:
    return itertools.cycle([rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(4)])


@pytest.fixture(autouse=True)
def quick_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let signing keys be four real ones in turn: making one takes longer than most tests."""
    monkeypatch.setattr(keys, "rsa", SimpleNamespace(generate_private_key=lambda **_: next(_rsa_keys())))


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


@pytest.fixture(scope="session")
def first_shop(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A shop with trained models, which nobody opens: `stocked_settings` copies it."""
    from tests.serving.shop import stocked

    folder = tmp_path_factory.mktemp("first")
    with databases.fresh() as url:
        settings = Settings(database_url=url, data_dir=folder / "data", model_dir=folder / "models", log_format="console")
        asyncio.run(stocked(settings))
        yield settings


@pytest.fixture
def stocked_settings(settings: Settings, databases: Databases, first_shop: Settings) -> Settings:
    """Settings of this test, whose database, secrets and models were made copies of a stocked shop's."""
    databases.refill(settings.database_url, first_shop.database_url)
    shutil.copytree(first_shop.data_dir, settings.data_dir)
    shutil.copytree(first_shop.model_dir, settings.model_dir)
    return settings


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


async def _flush(url: str) -> None:
    from app.core.redis import connect

    client = connect(url, timeout_ms=2000)
    await client.flushall()
    await client.aclose()
