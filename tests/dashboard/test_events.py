"""Events in the dashboard: the newest with filters, a live tail, rates, what nobody knew; refused ones put right and replayed."""

import html
import json
import re
import threading
from typing import Any

import pytest

from app.access.accounts.domain import Role
from tests.dashboard.site import Browser, Site
from tests.dashboard.test_people import waited

HOSTILE = "<img src=x onerror=alert(1)>{{7*7}}"


def tell(site: Site, *messages: dict[str, Any]) -> Any:
    with site.shop() as shop:
        answer = shop.post("/v1/batch", json={"batch": [{"type": "track", "userId": "events-ann", **one} for one in messages]})
    assert answer.status_code in (200, 400), answer.text
    return answer.json()


def refused(site: Site, reason: str = "") -> Any:
    with site.admin() as admin:
        return admin.get("/v1/admin/refused-events", params={"limit": 500, **({"reason": reason} if reason else {})}).json()


def test_the_newest_events_are_shown_narrowed_and_whose_only_to_those_who_may(site: Site, browser: Browser) -> None:
    item = site.kept.items[0]
    tell(site, {"event": "Product Viewed", "properties": {"product_id": item}}, {"event": HOSTILE})
    page = browser.get("/events")
    assert 'href="/people/events-ann"' in page
    assert HOSTILE not in page
    assert HOSTILE in html.unescape(page)
    narrow = browser.get(f"/events?item={item}&kind=view&person=events-ann")
    assert narrow.count("<tr data-event=") == 1
    assert "There is no item of this name" in browser.get("/events?item=zz")
    viewer = site.browser(Role.VIEWER).get("/events")
    assert "events-ann" not in viewer
    assert f"<code>{item}</code>" in viewer


def test_what_nobody_knew_is_told(site: Site, browser: Browser) -> None:
    tell(site, {"event": "Wheel Spun"}, {"event": "Product Viewed", "properties": {"product_id": "gone-77"}})
    page = browser.get("/events")
    part = page[page.index('id="unknown"') :]
    assert "Wheel Spun" in part
    assert "gone-77" in part


def test_the_tail_sends_what_comes_in_once_and_only_what_fits(site: Site, browser: Browser) -> None:
    got: list[str] = []
    began = threading.Event()

    def listen() -> None:
        with browser.http.stream("GET", "/events/live?kind=cart", headers={"Accept": "text/event-stream"}) as answer:
            for line in answer.iter_lines():
                began.set()
                if line.startswith("data: "):
                    got.append(json.loads(line[6:])["html"])
                    if "Second" in got[-1]:
                        return

    listening = threading.Thread(target=listen, daemon=True)
    listening.start()
    assert began.wait(20)
    add = {"event": "Product Added", "properties": {"product_id": site.kept.items[1]}}
    tell(site, {"event": "Product Viewed", "properties": {"product_id": site.kept.items[1]}}, {**add, "userId": "tail <First>"})
    waited(lambda: got)
    tell(site, {**add, "userId": "tail Second"})
    listening.join(20)
    everything = "".join(got)
    assert everything.count("tail &lt;First&gt;</a>") == 1
    assert "view" not in everything


def test_a_refused_event_is_put_right_and_stored_and_each_step_is_in_the_audit_log(site: Site, browser: Browser) -> None:
    tell(
        site, {"event": "Product Viewed", "userId": "mended-1", "timestamp": "not a time", "properties": {"product_id": site.kept.items[0]}}
    )
    (one, *_) = refused(site)["refused"]
    page = browser.get("/events/refused")
    assert f'href="/events/refused/{one["refused_no"]}"' in page
    shown = browser.get(f"/events/refused/{one['refused_no']}")
    text = html.unescape(re.search(r"<textarea name=\"message\"[^>]*>\n(.*?)</textarea>", shown, re.S)[1])  # type: ignore[index]
    path = f"/events/refused/{one['refused_no']}"
    broken = browser.post(path, 422, message="{\n\n oops")
    assert "Line 3 is no JSON" in broken
    assert 'data-bad="3"' in broken
    assert "still refused" in browser.post(path, 422, message=text)
    mended = {name: value for name, value in json.loads(text).items() if name != "timestamp"}
    assert "1 replayed, 1 events stored" in browser.post(path, message=json.dumps(mended))
    browser.get(path, 404)
    assert 'data-event="' in browser.get("/events?person=mended-1")
    with site.admin() as admin:
        lines = admin.get("/v1/admin/audit", params={"kind": "refused event", "q": str(one["refused_no"])}).json()["lines"]
    assert lines[0]["what"] == "replay"
    assert "read" in {line["what"] for line in lines}


def test_all_of_a_reason_are_changed_and_replayed_or_forgotten(site: Site, browser: Browser) -> None:
    tell(site, *({"event": 7, "userId": f"many-{number}"} for number in range(3)))
    reason = refused(site)["refused"][0]["reason"]
    page = browser.http.get("/events/refused", params={"reason": reason}).text
    assert "Change and replay all" in page
    assert "Write one JSON object" in browser.post("/events/refused/reason", 422, reason=reason, changes="[1]")
    done = browser.post("/events/refused/reason", reason=reason, changes='{"event": "Mended"}')
    assert "3 replayed" in done
    tell(site, {"event": 7, "userId": "many-9"})
    assert "1 forgotten" in browser.post("/events/refused/reason", reason=reason, act="forget")
    assert refused(site, reason)["refused"] == []


@pytest.mark.parametrize("role", [Role.VIEWER, Role.MARKETER])
def test_who_may_not_operate_sees_why_but_not_what_was_sent(site: Site, role: Role) -> None:
    tell(site, {"event": "Product Viewed", "userId": "secret-person", "timestamp": "never"})
    one = refused(site)["refused"][0]
    browser = site.browser(role)
    page = browser.get("/events/refused")
    assert html.unescape(page).count(one["reason"]) >= 1
    assert f"/events/refused/{one['refused_no']}" not in page
    browser.get(f"/events/refused/{one['refused_no']}", 403)
    browser.post(f"/events/refused/{one['refused_no']}", 403, act="forget")
