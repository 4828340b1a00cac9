"""What needs a human: each finding comes when it should, says what to do, and goes when it is mended."""

from datetime import UTC, datetime, timedelta

from app.core.db import Database
from app.core.ids import DEFAULT_TENANT
from app.core.settings import Settings
from app.dashboard import nav
from app.decisions.placements import service as placements
from app.documents import store
from app.operations.findings import findings
from app.operations.health import health


def ago(**span: float) -> datetime:
    """Return a moment before now; tests run long after they were collected."""
    return datetime.now(UTC) - timedelta(**span)


async def codes(db: Database) -> list[str]:
    return [one.code for one in await findings(db, DEFAULT_TENANT)]


async def summed_up(db: Database, hours_ago: float, rung: int, answers: int, *, empty: int = 0, width: int = 3600) -> None:
    await db.run(
        "insert into rollup_serve (tenant, width, at, placement_no, client_no, rung, reason, answers, empty, latency) values "
        "(:tenant, :width, :at, (select min(placement_no) from placement), 1, :rung, 0, :answers, :empty, array_fill(0, array[12]))",
        tenant=DEFAULT_TENANT, width=width, at=ago(hours=hours_ago), rung=rung, answers=answers, empty=empty,
    )  # fmt: skip


async def gauge(db: Database, minutes_ago: float, lag: float) -> None:
    await db.run(
        "insert into rollup_gauge (tenant, width, at, series, value) values (:tenant, 60, :at, 'apply_lag_s', :lag)",
        tenant=DEFAULT_TENANT, at=ago(minutes=minutes_ago), lag=lag,
    )  # fmt: skip


async def test_a_fresh_shop_is_told_only_that_no_model_is_live(db: Database) -> None:
    assert await codes(db) == ["no_model"]


async def test_a_segment_that_cannot_be_judged_is_told_until_it_is_mended(db: Database) -> None:
    await store.add(db, "segment", DEFAULT_TENANT, "lost", {"when": "segment.gone and veiws > 3"}, who="test")
    (found,) = [one for one in await findings(db, DEFAULT_TENANT) if one.code == "segment_broken"]
    assert (found.level, found.page) == ("bad", "/segments/lost/edit")
    assert "veiws" in found.detail
    await store.add(db, "segment", DEFAULT_TENANT, "lost", {"when": "views > 3"}, who="test")
    assert "segment_broken" not in await codes(db)


async def test_a_share_of_fallback_that_rose_is_told_and_one_that_was_always_so_is_not(db: Database) -> None:
    await placements.add_defaults(db, DEFAULT_TENANT)
    await summed_up(db, 100, 1, 1000)
    await summed_up(db, 2, 4, 600)
    await summed_up(db, 2, 1, 400)
    found = next(one for one in await findings(db, DEFAULT_TENANT) if one.code == "fallback_up")
    assert found.level == "bad"
    assert found.title == "60% of answers were not personal in the last day"
    await summed_up(db, 101, 4, 3000)
    assert "fallback_up" not in await codes(db)


async def test_answers_without_items_are_told_with_their_placement(db: Database) -> None:
    await placements.add_defaults(db, DEFAULT_TENANT)
    await summed_up(db, 1, 5, 50, empty=7, width=60)
    found = next(one for one in await findings(db, DEFAULT_TENANT) if one.code == "empty")
    assert "7 times" in found.title
    assert found.page.startswith("/placements/")


async def test_late_events_and_a_worker_that_is_silent_are_told(db: Database) -> None:
    await gauge(db, 2, 0.4)
    assert "events_late" not in await codes(db)
    await gauge(db, 1, 42.0)
    assert "events_late" in await codes(db)
    await db.run("update rollup_gauge set at = at - interval '1 hour'")
    assert (await codes(db))[0] == "worker_silent"


async def test_events_that_stopped_are_told(db: Database) -> None:
    for hours in (30, 60):
        await db.run(
            "insert into rollup_event (tenant, width, at, source_no, kind, events) values (:tenant, 3600, :at, 0, 3, 10)",
            tenant=DEFAULT_TENANT, at=ago(hours=hours),
        )  # fmt: skip
    assert "events_stopped" in await codes(db)
    await db.run(
        "insert into rollup_event (tenant, width, at, source_no, kind, events) values (:tenant, 3600, :at, 0, 3, 10)",
        tenant=DEFAULT_TENANT, at=ago(hours=1),
    )  # fmt: skip
    assert "events_stopped" not in await codes(db)


async def test_a_feed_that_lost_a_third_of_its_items_is_told(db: Database) -> None:
    for landed in (1000, 600):
        await db.run(
            "insert into import_run (tenant, what, file_name, finished_at, landed) values (:tenant, 'items', 'feed.csv', now(), :landed)",
            tenant=DEFAULT_TENANT, landed=landed,
        )  # fmt: skip
    assert "feed_shrank" in await codes(db)


async def test_every_fix_leads_to_a_page_of_the_menu(db: Database) -> None:
    await placements.add_defaults(db, DEFAULT_TENANT)
    await summed_up(db, 1, 5, 50, empty=7, width=60)
    await gauge(db, 1, 42.0)
    menu = {entry.path for entry in nav.MENU}
    for one in await findings(db, DEFAULT_TENANT):
        assert "/" + one.page.split("/")[1] in menu, one.page
        assert one.fix


async def test_health_answers_when_parts_are_away(db: Database, settings: Settings) -> None:
    told = await health(db, settings, DEFAULT_TENANT)
    assert {part.name: part.state for part in told.parts} == {
        "PostgreSQL": "good",
        "Redis": "good",
        "Disk": "good",
        "Worker": "warn",
    } or any(part.name == "Disk" and part.state != "good" for part in told.parts)
    away = Database("postgresql://nobody@127.0.0.1:1/nothing", 1, connect_timeout=0.5)
    told = await health(away, settings.model_copy(update={"redis_url": "redis://127.0.0.1:1"}), DEFAULT_TENANT)
    await away.close()
    states = {part.name: part.state for part in told.parts}
    assert (states["PostgreSQL"], states["Redis"]) == ("bad", "bad")
    assert told.settings


async def test_health_shows_no_secret(db: Database, settings: Settings) -> None:
    secret = settings.model_copy(update={"redis_url": "redis://user:hidden-word@127.0.0.1:1/0"})
    text = (await health(db, secret, DEFAULT_TENANT)).model_dump_json()
    assert "hidden-word" not in text
