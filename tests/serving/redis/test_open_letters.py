"""Consent holds within a second or two although nobody can tell Redis: the person is read from PostgreSQL, others are not."""

from app.core import ids
from app.core.db import Database
from app.core.redis import Nodes
from app.core.settings import Settings
from app.data.people import jobs
from app.data.people import service as people
from app.data.people.publish import Publisher
from app.serving import open_letters
from tests.serving.shop import running, stock


async def test_a_withdrawal_that_no_worker_delivers_is_heeded_and_concerns_nobody_else(settings: Settings, db: Database) -> None:
    quick = settings.model_copy(update={"refresh_ms": 100})
    await stock(db, settings)
    nodes = Nodes(settings.redis_url, timeout_ms=2000)
    publisher = Publisher(nodes, settings.state_ttl_days)
    await jobs.rebuild(db, settings, publisher, ids.DEFAULT_TENANT)
    async with running(quick, db, work=False) as shop:

        async def found(user: str) -> tuple[str, bool]:
            answer = (await shop.get(placement="email-grid", user_id=user, explain="1")).json()
            return answer["fallback_reason"], answer["explain"]["redis_trusted"]

        async def heeded() -> bool:
            return await found("u1") == ("no_consent", False)

        async def trusted() -> bool:
            return await found("u1") == ("", True)

        assert await shop.until(trusted)
        await people.set_consent(db, settings, ids.DEFAULT_TENANT, "u1", False)
        assert await shop.until(heeded, 3), "Redis is up, whole, and holds the old consent"
        assert await found("u2") == ("", True)

        await jobs.deliver(db, settings, publisher, ids.DEFAULT_TENANT)

        async def delivered() -> bool:
            return await found("u1") == ("no_consent", True)

        assert await shop.until(delivered, 3)
    await nodes.aclose()


async def test_with_too_many_open_changes_the_whole_tenant_is_read_from_postgresql(settings: Settings, db: Database, monkeypatch) -> None:
    monkeypatch.setattr(open_letters, "_MOST", 3)
    quick = settings.model_copy(update={"refresh_ms": 100})
    await stock(db, settings, models=False)
    nodes = Nodes(settings.redis_url, timeout_ms=2000)
    publisher = Publisher(nodes, settings.state_ttl_days)
    await jobs.rebuild(db, settings, publisher, ids.DEFAULT_TENANT)
    async with running(quick, db, work=False) as shop:

        async def trusts(expected: bool) -> bool:
            answer = (await shop.get(placement="email-grid", user_id="u50", explain="1")).json()
            return answer["explain"]["redis_trusted"] is expected

        assert await shop.until(lambda: trusts(True))
        for number in range(5):
            await people.set_consent(db, settings, ids.DEFAULT_TENANT, f"u{number}", False)
        assert await shop.until(lambda: trusts(False), 3)
        await jobs.deliver(db, settings, publisher, ids.DEFAULT_TENANT)
        assert await shop.until(lambda: trusts(True), 3)
    await nodes.aclose()
