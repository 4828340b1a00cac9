"""One small shop with its dashboard for all tests here."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
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


@pytest.fixture(scope="package")
def requests(site: Site) -> int:
    """Requests of yesterday to one placement; so many there are."""
    people, since = site.kept.people[:8], datetime.now(UTC)
    with site.shop() as shop:
        for person in people:
            assert shop.get(f"/v1/recommendations?placement=email-grid&user_id={person.user_id}").status_code == 200
    return int(site.do(_yesterday(site, since, len(people))))


async def _yesterday(site: Site, since: datetime, wanted: int) -> int:
    """Wait until so many answers are recorded, let them be of yesterday's noon, and return how many yesterday has then."""
    db = Database(site.settings.database_url, 1)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    count = (
        "select count(*) from serve join placement using (tenant, placement_no) "
        "where placement.name = 'email-grid' and served_at >= :since and served_at < :until"
    )
    try:
        while (await db.rows(count, since=since, until=datetime.now(UTC)))[0][0] < wanted:  # noqa: ASYNC110 - nothing tells it
            await asyncio.sleep(0.1)
        await db.run("update serve set served_at = :at where served_at >= :since", at=today - timedelta(hours=12), since=since)
        return int((await db.rows(count, since=today - timedelta(days=1), until=today))[0][0])
    finally:
        await db.close()
