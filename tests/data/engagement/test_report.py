"""Reports on signals against an independent count over the raw rows, and who is silent."""

import asyncio
import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.core.db import Database
from app.core.settings import Settings
from app.data.engagement import jobs
from app.data.engagement.person import engagement
from app.data.engagement.report import report
from app.data.events.domain import About, Event, message_key
from app.data.events.machines import Mark
from app.data.kinds import Kind, Signal
from tests.data.conftest import Put
from tests.data.engagement.test_jobs import NOON, heard, order

DAY = timedelta(days=1)
START, END = NOON - DAY, NOON + 30 * DAY


async def placements(db: Database) -> dict[str, int]:
    await db.run("insert into placement (tenant, name) values (1, 'email-grid'), (1, 'home')")
    return {row[0]: row[1] for row in await db.rows("select name, placement_no from placement")}


async def serve(db: Database, identity: bytes, at: datetime, placement_no: int, campaign: str | None) -> None:
    await db.run(
        "insert into serve (tenant, served_at, recommendation_id, placement_no, rung, reason, items, prices, latency_us, send_id) "
        "values (1, :at, :identity, :placement, 0, 0, '{}', '{}', 1, :campaign)",
        at=at, identity=identity, placement=placement_no, campaign=campaign,
    )  # fmt: skip


async def test_a_small_story_in_all_its_numbers(put: Put, db: Database, settings: Settings, catalogue: dict[str, int]) -> None:
    numbers = await placements(db)
    ours, page = b"a" * 16, b"p" * 16
    for at in (0, 1):  # the parts of one letter ask twice
        await serve(db, ours, NOON + timedelta(seconds=at), numbers["email-grid"], "spring")
    await serve(db, page, NOON, numbers["home"], None)
    spring: dict[str, Any] = {"serve": None, "campaign": "spring"}
    for user in ("ann", "bob", "cleo", "dan"):
        await put(heard(f"s-{user}", Signal.SENT, 0, user=user, **spring))
    for user in ("ann", "bob", "cleo"):
        await put(heard(f"d-{user}", Signal.DELIVERED, 10, user=user, **spring))
    await put(heard("b-dan", Signal.BOUNCE, 10, user="dan", **spring), heard("u", Signal.UNSUBSCRIBE, 99, user="cleo", **spring))
    await put(*(heard(f"open{n}", Signal.OPEN, 600 + n, serve=ours, campaign="spring") for n in range(3)))
    await put(heard("apple", Signal.OPEN, 11, user="bob", mark=Mark.APPLE_MAIL_PRIVACY, **spring))
    # named by the answer alone: placement and campaign are those of the serve
    await put(heard("click", Signal.CLICK, 700, "a", serve=ours), heard("web", Signal.CLICK, 700, "b", user="bob", serve=page))
    await put(*order("o1", 1, "a", price=15.0))
    while await jobs.follow(db, settings, 1):
        pass
    found = await report(db, 1, START, END)
    counts = {one.signal: (one.count, one.unique, one.machine) for one in found.signals}
    assert counts == {
        "sent": (4, 4, 0), "delivered": (3, 3, 0), "bounce": (1, 1, 0), "complaint": (0, 0, 0), "unsubscribe": (1, 1, 0),
        "serve": (3, 2, 0), "conversion": (1, 1, 0), "impression": (0, 0, 0), "open": (3, 1, 1), "click": (2, 2, 0),
    }  # fmt: skip
    assert found.machines == {"apple_mail_privacy": 1}
    assert found.revenue == 30.0
    rates = (await report(db, 1, START, END, campaign="spring")).rates
    assert (rates.delivered_per_sent, rates.bounced_per_sent) == (0.75, 0.25)
    assert rates.opened_per_delivered == rates.clicked_per_delivered == rates.unsubscribed_per_delivered == pytest.approx(1 / 3)
    assert (rates.clicked_per_opened, rates.complained_per_delivered) == (1.0, 0.0)
    assert (rates.clicked_per_answer, rates.orders_per_answer, rates.revenue_per_answer) == (1.0, 1.0, 30.0)
    home = await report(db, 1, START, END, placement="home")
    assert {one.signal: one.count for one in home.signals if one.count} == {"serve": 1, "click": 1}
    assert (home.rates.delivered_per_sent, home.rates.orders_per_answer) == (None, 0.0)


async def test_a_report_equals_a_count_over_the_raw_rows(put: Put, db: Database, catalogue: dict[str, int]) -> None:
    generator = random.Random(5)
    numbers = await placements(db)
    for n in range(400):
        about = About(
            generator.choice([Signal.SENT, Signal.DELIVERED, Signal.OPEN, Signal.CLICK]),
            bytes([n % 50]) * 16 if n % 3 else None,
            generator.choice(["spring", "autumn", None]),
            generator.choice(["email-grid", "home", None]),
            mark=generator.choice([None, None, None, Mark.SCRIPT]),
        )
        user = f"u{generator.randrange(30)}"
        await put(Event(NOON + generator.random() * 20 * DAY, message_key(f"m{n}"), ((1, user),), Kind.NONE, "x", about=about))
    rows = await db.rows("select person_no, signal, mark, campaign, placement_no, occurred_at from event")
    for placement, campaign in (("", ""), ("home", ""), ("", "spring"), ("email-grid", "autumn")):
        start, end = NOON + 2 * DAY, NOON + 15 * DAY
        counts: dict[int, int] = defaultdict(int)
        unique: dict[int, set[Any]] = defaultdict(set)
        machines = 0
        for person, signal, mark, named, placement_no, at in rows:
            if not start <= at < end or (placement and placement_no != numbers[placement]) or (campaign and named != campaign):
                continue
            if mark is None:
                counts[signal] += 1
                unique[signal].add((person, named))
            else:
                machines += 1
        found = await report(db, 1, start, end, placement, campaign)
        assert {one.signal: one.count for one in found.signals if one.count} == {Signal(s).name.lower(): n for s, n in counts.items()}
        assert {one.signal: one.unique for one in found.signals if one.unique} == {
            Signal(s).name.lower(): len(n) for s, n in unique.items()
        }
        assert sum(found.machines.values()) == machines == sum(one.machine for one in found.signals)


def days_ago(days: float) -> datetime:
    return NOON - timedelta(days=days)


SENT, OPEN, CLICK = Signal.SENT, Signal.OPEN, Signal.CLICK


@pytest.mark.parametrize(
    ("signals", "state"),
    [
        ([], "never_mailed"),
        ([(Signal.UNSUBSCRIBE, days_ago(400), "")], "never_mailed"),
        ([(SENT, days_ago(400), "a"), (Signal.BOUNCE, days_ago(400), "a")], "never_mailed"),
        ([(SENT, days_ago(5), "a")], "waiting"),
        ([(SENT, days_ago(400), "a")], "silent"),
        ([(SENT, days_ago(400), "a"), (OPEN, days_ago(300), "a")], "waiting"),
        ([(SENT, days_ago(400), "a"), (OPEN, days_ago(300), "a"), (SENT, days_ago(5), "b")], "waiting"),
        ([(SENT, days_ago(400), "a"), (OPEN, days_ago(300), "a"), (SENT, days_ago(95), "b")], "silent"),
        ([(SENT, days_ago(400), "a"), (CLICK, days_ago(89), "a")], "active"),
        ([(OPEN, days_ago(10), "")], "active"),
    ],
    ids=[
        "nothing at all", "a word without a letter", "a letter that bounced", "mailed a moment ago", "mailed and no answer",
        "answered the only letter", "answered, and mailed a moment ago", "answered, and not since", "answered lately", "opened, none told",
    ],
)  # fmt: skip
def test_only_who_leaves_letters_unanswered_for_long_is_silent(signals: list[tuple[int, datetime, str]], state: str) -> None:
    for _ in range(3):
        random.Random(1).shuffle(signals)
        assert engagement(signals, NOON, 90).state == state


async def test_the_routes_answer_for_a_person_and_for_all(
    put: Put, db: Database, http: httpx.AsyncClient, catalogue: dict[str, int]
) -> None:
    now = datetime.now(UTC)
    await put(Event(now - 200 * DAY, message_key("v"), ((1, "never"),), Kind.VIEW, "Product Viewed", "a"))
    for n, user in enumerate(("quiet", "apple")):
        await put(Event(now - 200 * DAY, message_key(f"s{n}"), ((1, user),), name="Email Sent", about=About(Signal.SENT, campaign="old")))
    machine = About(Signal.OPEN, campaign="old", mark=Mark.APPLE_MAIL_PRIVACY)
    await put(Event(now - DAY, message_key("open"), ((1, "apple"),), name="Email Opened", about=machine))
    states = {}
    for user in ("never", "quiet", "apple"):
        answer = await http.get(f"/v1/admin/signals/people/{user}")
        assert answer.status_code == 200, answer.text
        states[user] = answer.json()["state"]
    assert states == {"never": "never_mailed", "quiet": "silent", "apple": "silent"}
    assert (await http.get("/v1/admin/signals/people/quiet", params={"silent_days": 365})).json()["state"] == "waiting"
    assert (await http.get("/v1/admin/signals/people/nobody")).status_code == 404
    found = (await http.get("/v1/admin/signals", params={"from": "2020-01-01", "to": "2100-01-01T00:00:00Z"})).json()
    assert {one["signal"]: (one["count"], one["machine"]) for one in found["signals"] if one["count"] or one["machine"]} == {
        "sent": (2, 0), "open": (0, 1),
    }  # fmt: skip
    recent = (await http.get("/v1/admin/signals")).json()
    assert sum(one["count"] for one in recent["signals"]) == 0


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"from": "2026-05-02", "to": "2026-05-01"}, 422),
        ({"from": "yesterday"}, 422),
        ({"to": "0001-01-02T00:00:00Z"}, 422),
        ({"placement": "none"}, 404),
        ({"campaign": "none"}, 200),
        ({"campaign": "x" * 300}, 422),
        ({"campaign": "a\0b"}, 422),
        ({"from": "0001-01-01T00:00:00Z", "to": "9999-12-31T23:59:59Z"}, 200),
    ],
)
async def test_ugly_questions_get_a_clear_answer(http: httpx.AsyncClient, asked: dict[str, str], status: int) -> None:
    answer = await http.get("/v1/admin/signals", params=asked)
    assert answer.status_code == status, answer.text


async def test_two_reports_at_once(http: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(http.get("/v1/admin/signals") for _ in range(4)))
    assert {answer.status_code for answer in answers} == {200}
