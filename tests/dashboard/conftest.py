"""One small shop with its dashboard for all tests here."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core.db import Database
from app.core.embedded import services
from app.core.ids import DEFAULT_TENANT
from app.core.settings import Settings
from tests.dashboard.site import Browser, Site, running
from tests.databases import Databases
from tests.ml.versions import copied


@pytest.fixture(scope="package")
def site(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The shop; tests that change it use names of their own.

    It ends with the tests here and has a Valkey of its own: others empty the one of the run, which its worker would fill again.
    """
    folder = Path(tmp_path_factory.mktemp("dashboard"))
    with databases.fresh() as url:
        settings = Settings(
            database_url=url, data_dir=folder / "data", model_dir=folder / "models", port=0, log_format="console", log_level="warning"
        )
        with services(settings) as urls, running(settings.model_copy(update={"redis_url": urls.redis_url})) as made:
            yield made


@pytest.fixture
def browser(site: Site) -> Browser:
    """An administrator's pages."""
    return site.browser()


@pytest.fixture(scope="package")
def newer(site: Site) -> str:
    """A second version of `personal`, trained a little later, with figures of its own, which is not live."""
    with site.admin() as admin:
        (live,) = admin.get("/v1/admin/models/personal").json()["live"]
    return str(site.do(_newer(site, live["version"])))


async def _newer(site: Site, live: str) -> str:
    db = Database(site.settings.database_url, 1)
    try:
        return await copied(db, site.settings, DEFAULT_TENANT, "personal", live)
    finally:
        await db.close()
