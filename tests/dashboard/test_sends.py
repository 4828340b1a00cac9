"""Sends in the dashboard: a look keeps nothing, announcing prewarms, progress comes by itself, calling off needs the role and is told."""

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from app.access.accounts.domain import Role
from app.dashboard.pages.content.sends import light, where
from app.sends.preflight import CODES
from tests.dashboard.site import Browser, Site

NEW = {"name": "Spring", "placement": "email-grid", "start": "", "duration": "2", "unit": "hours", "audience": "everyone", "ids": ""}


@pytest.fixture(scope="module")
def admin(site: Site) -> Iterator[httpx.Client]:
    """A client of the admin API."""
    with site.admin() as http:
        yield http


def kept(admin: httpx.Client, **query: object) -> list[dict[str, object]]:
    return list(admin.get("/v1/admin/sends", params=query).json()["sends"])  # type: ignore[arg-type]


def announced(admin: httpx.Client, **more: object) -> int:
    body = {"placement": "email-grid", "duration_s": 600, "everyone": True, **more}
    answer = admin.post("/v1/admin/sends", json=body)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def test_a_look_shows_forecast_and_findings_and_keeps_nothing(site: Site, browser: Browser, admin: httpx.Client) -> None:
    before = len(kept(admin))
    people = [one.user_id for one in site.kept.people[:3]]
    page = browser.post("/sends/new", **{**NEW, "audience": "list", "ids": "\n".join([*people, people[0], "x" * 300]), "act": "look"})
    assert "Nothing is kept yet" in page
    assert "Requests a second at the peak" in page
    assert "Line 5: " in page
    assert re.search(r"<dt>People</dt><dd class=\"num\">3", page)
    assert 'value="announce"' in page
    assert people[2] in page
    assert len(kept(admin)) == before


def test_a_send_is_announced_prewarmed_and_shown_as_it_goes_on(site: Site, browser: Browser, admin: httpx.Client) -> None:
    people = "\n".join(one.user_id for one in site.kept.people[:5])
    file = {"file": ("ids.txt", people.encode(), "text/plain")}
    page = browser.post("/sends/new", **{**NEW, "name": "<b>Spring</b>", "audience": "list", "act": "announce"}, files=file)
    assert "The send is announced" in page
    assert "&lt;b&gt;Spring&lt;/b&gt;" in page
    assert "<b>Spring" not in page
    (made,) = kept(admin, q="<b>spring")
    assert (made["duration_s"], made["audience"]["given"]) == (7200, 5)  # type: ignore[index]
    end = time.monotonic() + 60
    while "warm</span>" not in (page := browser.get(f"/sends/{made['id']}")) and time.monotonic() < end:
        time.sleep(0.5)
    assert "5 of 5 people dealt with" in page
    with browser.http.stream("GET", f"/sends/{made['id']}/live") as answer:
        piece = json.loads(next(line for line in answer.iter_lines() if line.startswith("data:"))[5:])
    assert piece["target"] == "progress"
    assert "5 of 5 people" in piece["html"]
    line = admin.get("/v1/admin/audit", params={"kind": "send", "q": made["id"]}).json()["lines"][0]
    assert (line["what"], line["who"], line["name"]) == ("announce", "admin@shop.example", str(made["id"]))
    assert "email-grid, 5 people" in line["note"]


def test_a_send_goes_to_a_segment_or_to_whoever_meets_a_condition(browser: Browser, admin: httpx.Client) -> None:
    assert admin.put("/v1/admin/segments/active", json={"when": "orders >= 1"}).status_code == 200
    page = browser.get("/sends/new")
    assert "<option>active</option>" in page
    look = browser.post("/sends/new", **{**NEW, "audience": "segment", "segment": "active", "act": "look"})
    assert "<dt>Segment</dt><dd>active</dd>" in look
    assert "<option selected>active</option>" in look
    look = browser.post("/sends/new", **{**NEW, "audience": "when", "when": "orders>=1", "act": "look"})
    assert "<dt>Who meet</dt><dd>orders &gt;= 1</dd>" in look
    assert not re.search(r"<dt>People</dt><dd class=\"num\">0", look)


def test_the_list_shows_lights_is_searched_and_leads_on(browser: Browser, admin: httpx.Client) -> None:
    number = announced(admin, name="Autumn letters", start=(datetime.now(UTC) + timedelta(days=3)).isoformat())
    page = browser.get("/sends?q=autumn")
    assert f'href="/sends/{number}"' in page
    assert re.search(r"badge (good|warn|bad)\">(ready|look|stop)", page)
    assert "No send fits" in browser.get("/sends?q=nothing-like-it")
    first = admin.get("/v1/admin/sends", params={"limit": 1}).json()
    assert first["next"] == first["sends"][0]["id"]
    behind = admin.get("/v1/admin/sends", params={"limit": 1, "before": first["next"]}).json()
    assert behind["sends"][0]["id"] < first["next"]


def test_calling_off_ends_it_and_says_who(browser: Browser, admin: httpx.Client) -> None:
    number = announced(admin, start=(datetime.now(UTC) + timedelta(days=3)).isoformat())
    assert "Call it off" in browser.get(f"/sends/{number}")
    page = browser.post(f"/sends/{number}/cancel")
    assert "cancelled" in page
    assert "Call it off" not in page
    line = admin.get("/v1/admin/audit", params={"kind": "send", "q": str(number)}).json()["lines"][0]
    assert (line["what"], line["who"]) == ("call off", "admin@shop.example")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"duration": "soon"}, "Write a number."),
        ({"duration": "30", "unit": "days"}, "A send lasts up to 5 days."),
        ({"audience": "list", "ids": " \n"}, "Paste some ids"),
        ({"audience": "segment"}, "Choose a segment."),
        ({"audience": "segment", "segment": "nobodys"}, "there is no segment nobodys"),
        ({"audience": "when"}, "Write a condition."),
        ({"audience": "when", "when": "orders > "}, "at character"),
        ({"start": "2020-01-01T08:00"}, "would be over already"),
        ({"start": "tomorrow"}, "Write a day and a time."),
        ({"placement": "<img src=x>"}, "pattern"),
    ],
)
def test_what_is_wrong_stands_beside_its_field_and_nothing_is_lost(browser: Browser, changed: dict[str, str], told: str) -> None:
    page = browser.post("/sends/new", 422, **{**NEW, **changed, "act": "announce"})
    assert told in page
    assert 'value="Spring"' in page
    assert "<img src=x" not in page


def test_a_long_list_may_be_pasted_and_one_that_is_too_long_is_told(browser: Browser) -> None:
    ids = "\n".join(f"person-{number:06}-of-a-long-list" for number in range(40_000))
    assert "40,000" in browser.post("/sends/new", **{**NEW, "audience": "list", "ids": ids, "act": "look"}, files={"file": ("", b"")})
    page = browser.post(
        "/sends/new", 422, **{**NEW, "audience": "list", "act": "look"}, files={"file": ("ids.txt", (ids + "\n").encode() * 8)}
    )
    assert "morsel sends create" in page
    assert "no UTF-8 text" in browser.post("/sends/new", 422, **{**NEW, "audience": "list"}, files={"file": ("a.gz", b"\x1f\x8b\xff")})


def test_who_may_only_look_neither_announces_nor_calls_off(site: Site, admin: httpx.Client) -> None:
    viewer = site.browser(Role.VIEWER)
    number = announced(admin, start=(datetime.now(UTC) + timedelta(days=3)).isoformat())
    assert "/sends/new" not in viewer.get("/sends")
    assert 'data-dialog="cancel"' not in viewer.get(f"/sends/{number}")
    viewer.post("/sends/new", 403, **NEW, act="announce")
    viewer.post(f"/sends/{number}/cancel", 403)


def test_a_send_that_does_not_exist_is_told(browser: Browser) -> None:
    for odd in ("987654", "abc", "99999999999999"):
        assert "There is no send" in browser.get(f"/sends/{odd}", 404)


def test_every_finding_has_a_light_and_leads_somewhere_or_to_the_send() -> None:
    own = {code for code in CODES if not where(code)}
    assert own == {"audience_empty", "audience_mostly_unknown", "no_time_to_prewarm", "peak_over_capacity", "links_unsigned"}
    assert light([]) == ("ready", "good")
    assert light([{"severity": "warning"}, {"severity": "error"}]) == ("stop", "bad")
