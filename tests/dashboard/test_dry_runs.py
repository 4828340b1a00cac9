"""Drafts are tried beside their editors: on people at once, on yesterday's requests by the worker, with progress, and stopped."""

import html
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from app.serving.dry_run.runs import store
from tests.dashboard.site import Browser, Site
from tests.dashboard.test_documents import fields


def draft(site: Site, browser: Browser) -> dict[str, object]:
    with site.admin() as admin:
        brand = admin.get("/v1/admin/catalogue/facets").json()["brands"][0]["name"]
    form = fields(browser.get("/rules/new?name=replayed&action=exclude"))
    return {**form, "action": "exclude", "where": f"item.brand = {json.dumps(brand)}", "placements": "email-grid", "on": "requests"}


def pieces(browser: Browser, number: str) -> Iterator[str]:
    """Give what a browser is sent of a dry run while it goes on."""
    with browser.http.stream("GET", f"/dry-runs/{number}/live") as answer:
        for line in answer.iter_lines():
            if line.startswith("data: "):
                piece = json.loads(line.removeprefix("data: "))
                assert piece["target"] == "tried"
                yield piece["html"]


def test_a_rule_is_tried_on_yesterdays_requests_and_the_report_comes_by_itself(site: Site, browser: Browser, requests: int) -> None:
    page = browser.post("/rules/replayed", **{**draft(site, browser), "act": "try"})
    assert '<option value="requests" selected>' in page
    number = re.search(r'id="tried"[^>]* data-live="/dry-runs/(\d+)/live"', page)
    assert number
    for piece in pieces(browser, number[1]):
        if "What would change" in piece:
            break
    assert re.search(rf"Asked \d+ of {requests} requests from ", piece)
    assert "Answers with other items" in piece
    page = browser.post("/rules/replayed", **{**draft(site, browser), "act": "stop", "run": number[1]})
    assert re.search(rf"Asked \d+ of {requests} requests from ", page), "what has ended is shown, not stopped"


def test_one_that_waits_is_stopped_and_another_is_told_to_wait(site: Site, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(_: Any) -> None:
        return None

    monkeypatch.setattr(store, "next_run", nothing)
    page = browser.post("/rules/replayed", **{**draft(site, browser), "act": "try"})
    assert "It waits for the worker." in page
    assert 'name="act" value="stop"' in page
    other = browser.post("/rules/replayed", **{**draft(site, browser), "act": "try"})
    assert "Another dry run waits or is under way in this shop" in other
    run = re.search(r'name="run" value="(\d+)"', page)
    assert run
    stopped = browser.post("/rules/replayed", **{**draft(site, browser), "act": "stop", "run": run[1]})
    assert "The dry run was stopped." in stopped
    assert "data-live" not in stopped
    with site.admin() as admin:
        assert admin.get(f"/v1/admin/dry-runs/{run[1]}").json()["status"] == "cancelled"


def test_a_placement_is_tried_on_people_with_what_is_being_edited(browser: Browser) -> None:
    form = fields(browser.get("/placements/email-grid"))
    page = browser.post("/placements/email-grid", **{**form, "count": "2", "act": "try", "people": "10", "on": "people"})
    assert re.search(r"Tried on \d+ people and a stranger in 1 placement\.", page)
    assert 'name="count" type="number" min="1" max="50" value="2"' in page
    wrong = browser.post("/placements/email-grid", 422, **{**form, "count": "99", "act": "try", "people": "10", "on": "people"})
    assert 'value="99" aria-invalid="true"' in wrong
    assert 'id="tried"' not in wrong


def test_a_template_is_tried_on_people_and_its_sizes_are_shown(browser: Browser) -> None:
    form = fields(browser.get("/templates/grid"))
    mine = {**form, "html.card": f"{form['html.card']}<!-- mine -->", "act": "try", "people": "10", "on": "people"}
    page = html.unescape(browser.post("/templates/grid", **mine))
    assert re.search(r"(\d+) of \1 answers would look other than now\.", page)
    assert "of what Gmail shows" in page
    assert "<!-- mine -->" in page
    for part in ("By placement", "By format", "html, with it"):
        assert part in page
