"""Signals in the dashboard: rates against the time before, by placement and campaign, and as CSV."""

import csv
import html
import io
from datetime import date

import pytest

from app.dashboard.pages.data.signals import compared, span
from tests.dashboard.site import Browser, Site


def total(**counts: int) -> dict[str, object]:
    names = ("sent", "delivered", "bounce", "complaint", "unsubscribe", "serve", "impression", "open", "click", "conversion")
    every = {name: counts.get(name, 0) for name in names}
    rates = {
        "delivered_per_sent": None, "bounced_per_sent": None, "opened_per_delivered": None, "clicked_per_delivered": None,
        "unsubscribed_per_delivered": None, "complained_per_delivered": None, "orders_per_answer": None,
        "clicked_per_answer": every["click"] / every["serve"] if every["serve"] else None,
    }  # fmt: skip
    return {"counts": every, "rates": rates}


def test_a_rate_stands_beside_its_parts_and_what_it_was() -> None:
    (rate,) = [one for one in compared(total(click=6, serve=100), total(click=4, serve=100)) if one["title"] == "Clicks an answer"]
    assert (rate["part"], rate["whole"], rate["parts"], rate["kind"]) == (6, 100, "clicks of answers", "good")
    assert rate["change"] == pytest.approx(0.5)
    (rate,) = [one for one in compared(total(click=6, serve=100), total()) if one["title"] == "Clicks an answer"]
    assert (rate["change"], rate["kind"]) == (None, "")


@pytest.mark.parametrize("given", [("", ""), ("x", "y"), ("2026-05-02", "2026-05-01"), ("0001-01-01", ""), ("2026-02-30", "2026-03-01")])
def test_days_that_make_no_time_become_the_last_thirty(given: tuple[str, str]) -> None:
    first, last = span(*given)
    assert (last - first).days in (29, 399) if given[0] == "0001-01-01" else (last - first).days == 29
    assert span("2026-05-01", "2026-05-03") == (date(2026, 5, 1), date(2026, 5, 3))


def test_the_page_and_the_csv_say_what_the_api_says(site: Site, browser: Browser) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    page = browser.http.get("/signals", params={"campaign": hostile})
    assert page.status_code == 200
    assert hostile not in page.text
    assert hostile in html.unescape(page.text)
    assert "There is no placement" in browser.get("/signals?placement=nowhere")
    rows = list(csv.DictReader(io.StringIO(browser.get("/signals/download.csv?from=2026-01-01&to=2026-01-03"))))
    assert [row["day"] for row in rows] == ["2026-01-01", "2026-01-02", "2026-01-03"]
    assert {"serve", "click", "click_by_machines", "revenue"} <= set(rows[0])


def test_different_people_are_counted_when_somebody_asks(browser: Browser) -> None:
    assert "data-live" not in browser.get("/signals").split("<main")[1]
    assert 'data-live="/signals/exact' in browser.get("/signals?exact=1")
    with browser.http.stream("GET", "/signals/exact", headers={"Accept": "text/event-stream"}) as answer:
        line = next(one for one in answer.iter_lines() if one.startswith("data: "))
    assert '"target": "exact"' in line
    assert "People and campaigns" in line
