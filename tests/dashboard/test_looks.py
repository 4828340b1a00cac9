"""Every page in a real browser: accessible in light and dark, nothing beside the screen at 360 px, nothing hostile run."""

import json
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import ConsoleMessage, Page, sync_playwright

from app.dashboard import nav
from tests.browser import launched
from tests.conftest import needs
from tests.dashboard.site import Site
from tests.dashboard.test_people import sent, waited

pytestmark = [pytest.mark.system, needs("chromium")]
HOSTILE = "<img src=x onerror=alert(1)>\"'`{{7*7}}${7*7}"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    """One browser for the file."""
    with sync_playwright() as playwright, launched(playwright) as browser:
        yield browser


def pages(site: Site) -> list[str]:
    """Return the pages of the menu and those below them that a made-up shop fills."""
    person, item = site.kept.people[0].user_id, site.kept.items[0]
    below = [
        "/placements/new", "/placements/email-grid", "/placements/email-grid?view=document", "/placements/email-grid/versions",
        "/placements/looked-parts",
        "/templates/grid", "/access/clients/new", "/access/accounts", "/account", "/styleguide",
        "/segments/new", "/segments/looked-at", "/segments/looked-at/edit", "/segments/looked-at/people", "/segments/looked-at/moves",
        "/segments/looked-list", "/facts/views?window=30d", "/facts/lifecycle", "/facts/affinity.brand",
        "/clusters", "/clusters/new", "/clusters/new?name=looked", "/clusters/looked", "/clusters/looked/edit", "/clusters/looked/versions",
        "/rules/new", "/rules/new?name=looked&action=include", "/rules/new?name=looked&action=no_repeat",
    ]  # fmt: skip
    found = {
        "/people": f"/people/{person}", "/catalogue": f"/catalogue/items/{item}", "/events": "/events/refused",
        "/models": "/models/personal", "/sends": "/sends/new",
    }  # fmt: skip
    with site.admin() as admin:
        when = (
            'views > 0 and not (orders.90d >= 5 or segment["looked-list"]) and trait.city in ("Paris", "Lyon") or spent > average_order * 2'
        )
        for name, written in (("looked-list", {}), ("looked-at", {"when": when})):
            assert admin.put(f"/v1/admin/segments/{name}", json=written).status_code == 200
        parts = [
            {"name": "because", "heading": "Because you bought {{ item.title }}", "default": "Popular right now", "seed": "last_bought"},
            {"name": "shelves", "default": "Our categories", "shows": "categories", "limit": 3},
        ]
        assert admin.put("/v1/admin/placements/looked-parts", json={"parts": parts}).status_code == 200
        if admin.get("/v1/admin/clusters/looked").status_code == 404:
            assert admin.put("/v1/admin/clusters/looked", json={}).status_code == 200
        waited(lambda: admin.get("/v1/admin/clusters/looked").json()["ready"])
    menu = [entry.path for entry in nav.MENU]
    return menu + below + [path for entry, path in found.items() if entry in menu]


def is_fault(told: ConsoleMessage) -> bool:
    """Tell whether a browser complains; the pictures of a made-up shop lie at an address that there is not."""
    return told.type == "error" and "ERR_NAME_NOT_RESOLVED" not in told.text


def opened(chromium: Chromium, site: Site, scheme: str, width: int) -> tuple[Page, list[str]]:
    """Return a signed-in page, and the list into which whatever goes wrong on it is written."""
    wrong: list[str] = []
    page = chromium.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}).new_page()  # type: ignore[arg-type]
    page.on("console", lambda told: wrong.append(f"{page.url}: {told.text}") if is_fault(told) else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: (wrong.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.goto(site.login)
    return page, wrong


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_any_page(chromium: Chromium, site: Site, scheme: str) -> None:
    page, wrong = opened(chromium, site, scheme, 1280)
    found = []
    for path in pages(site):
        page.goto(site.url + path)
        # a letter in a preview is the shop's own, and a frame of its own
        result = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa"], "iframes": False})
        found += [
            f"{path}: {one['id']} {one['nodes'][0]['html'][:160]} {one['nodes'][0].get('failureSummary', '')[:200]}"
            for one in result.response["violations"]
            if one["impact"] in ("serious", "critical")
        ]
    assert found == []
    assert wrong == []
    page.context.close()


def test_at_360_pixels_nothing_lies_beside_the_screen(chromium: Chromium, site: Site) -> None:
    page, wrong = opened(chromium, site, "light", 360)
    wide = []
    for path in pages(site):
        page.goto(site.url + path)
        over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if over > 0:
            wide.append(f"{path}: {over} px")
    assert wide == []
    assert wrong == []
    page.context.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 360)])
def test_the_report_of_a_dry_run_is_accessible_and_stays_in_its_place(chromium: Chromium, site: Site, scheme: str, width: int) -> None:
    page, wrong = opened(chromium, site, scheme, width)
    page.goto(f"{site.url}/rules/new?name=looked&action=exclude")
    with site.admin() as admin:
        brand = admin.get("/v1/admin/catalogue/facets").json()["brands"][0]["name"]
    page.fill("#f-where", f"item.brand = {json.dumps(brand)}")
    page.fill("#people", "20")
    page.click("button[value=try]")
    page.wait_for_selector("#tried table[data-table=losers]")
    result = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa"]})
    assert [one["id"] for one in result.response["violations"] if one["impact"] in ("serious", "critical")] == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert wrong == []
    page.context.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 360)])
def test_a_dry_run_of_the_worker_is_accessible_from_its_progress_to_its_report(
    chromium: Chromium, site: Site, requests: int, scheme: str, width: int
) -> None:
    page, wrong = opened(chromium, site, scheme, width)
    for path, end in (
        ("/rules/new?name=looked&action=exclude", "table[data-table=losers]"),
        ("/templates/grid", "table[data-table=formats]"),
    ):
        page.goto(f"{site.url}{path}")
        if "rules" in path:
            page.fill("#f-where", "item.price > 0")
        page.select_option("#on", "requests")
        page.click("button[value=try]")
        page.wait_for_selector(f"#tried {end}")
        page.click(f"#tried {end} th button >> nth=0")
        assert page.get_attribute(f"#tried {end} th >> nth=0", "aria-sort") == "ascending"
        result = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa"], "iframes": False})
        assert [one["id"] for one in result.response["violations"] if one["impact"] in ("serious", "critical")] == []
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert wrong == []
    page.context.close()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 360)])
def test_a_segment_tried_in_its_builder_is_accessible_and_stays_in_its_place(
    chromium: Chromium, site: Site, scheme: str, width: int
) -> None:
    sent(site, "looked-tried")
    with site.admin() as admin:
        assert admin.patch("/v1/admin/people/looked-tried/traits", json={"looked_town": "Ghent"}).status_code == 200
    page, wrong = opened(chromium, site, scheme, width)
    page.goto(f"{site.url}/segments/new?name=looked-draft")
    page.fill("#when", 'trait.looked_town = "Ghent"')

    def counted() -> bool:
        page.click("button[value=try]")
        return page.locator("#tried a[href='/people/looked-tried']").count() > 0

    waited(counted)
    assert page.input_value("#when") == 'trait.looked_town = "Ghent"'
    page.wait_for_selector("[aria-label=Fact]")
    result = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa"]})
    assert [one["id"] for one in result.response["violations"] if one["impact"] in ("serious", "critical")] == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert wrong == []
    page.context.close()


def test_hostile_names_run_nothing_anywhere(chromium: Chromium, site: Site) -> None:
    with site.admin() as admin:
        item = {"title": HOSTILE, "url": "https://shop.example/x", "brand": HOSTILE, "category": HOSTILE, "price": 1, "currency": "EUR"}
        assert admin.put("/v1/items/hostile", json=item).status_code == 200
        events = [{"type": "track", "event": HOSTILE, "userId": HOSTILE, "properties": {"productId": "hostile"}},
                  {"type": "identify", "userId": HOSTILE, "traits": {"name": HOSTILE}}]  # fmt: skip
        made = admin.post("/v1/admin/clients", json={"name": HOSTILE, "scopes": ["events"]}).json()
        key = admin.post(f"/v1/admin/clients/{made['client_id']}/keys", json={"kind": "write"}).json()["key"]
        assert httpx.post(f"{site.api}/v1/batch", json={"batch": events, "writeKey": key}).status_code == 200
        rule = {"action": "exclude", "items": [HOSTILE], "description": HOSTILE, "placements": ["hostile"]}
        assert admin.put("/v1/admin/rules/hostile", json={**rule, "when": f"ctx.x = {json.dumps(HOSTILE)}"}).status_code == 200
        assert admin.put("/v1/admin/placements/hostile", json={"count": 2, "description": HOSTILE}).status_code == 200
        segment = {"when": {"fact": "trait.name", "is": "=", "value": HOSTILE}, "description": HOSTILE}
        assert admin.put("/v1/admin/segments/hostile", json=segment).status_code == 200
        alike = {"features": ["views", f"default(trait[{json.dumps(HOSTILE)}], 0)"], "description": HOSTILE}
        assert admin.put("/v1/admin/clusters/hostile", json=alike).status_code == 200
        waited(lambda: admin.get("/v1/admin/clusters/hostile").json()["ready"])
    page, wrong = opened(chromium, site, "light", 1280)
    hostile = [
        "/placements/hostile",
        "/rules/hostile",
        "/access?x",
        f"/audit?q={HOSTILE}",
        f"/people?q={HOSTILE}",
        "/catalogue?q=hostile",
        "/catalogue/items/hostile",
        "/segments/hostile",
        "/segments/hostile/edit",
        f"/segments?q={HOSTILE}",
        "/clusters",
        "/clusters/hostile",
        "/clusters/hostile/edit",
        f"/facts/trait?key={quote(HOSTILE)}",
    ]
    known = {*(entry.path for entry in nav.MENU), "/clusters"}
    for path in [*known, *(one for one in hostile if "/" + one.split("?")[0].split("/")[1] in known)]:
        page.goto(site.url + path)
        page.wait_for_timeout(150)
    assert wrong == []
    page.context.close()


def test_a_draft_survives_the_end_of_the_session(chromium: Chromium, site: Site) -> None:
    page, _ = opened(chromium, site, "light", 1280)
    page.goto(f"{site.url}/placements/email-hero")
    page.fill("#description", "not saved yet")
    page.context.clear_cookies()
    page.click("button[value=publish]")
    page.wait_for_url("**/login**")
    page.goto(site.login)
    page.goto(f"{site.url}/placements/email-hero")
    assert page.input_value("#description") != "not saved yet"
    page.click("[data-take]")
    assert page.input_value("#description") == "not saved yet"
    page.context.close()


def test_rows_of_a_segment_survive_the_end_of_the_session_before_their_text_follows(chromium: Chromium, site: Site) -> None:
    page, _ = opened(chromium, site, "light", 1280)
    page.goto(f"{site.url}/segments/new?name=survives")
    page.context.clear_cookies()
    page.fill("[aria-label=Fact]", "orders")
    page.select_option("[aria-label='In what time']", "90d")
    page.fill("[aria-label=Value]", "3")
    page.wait_for_selector("text=Your session has ended")
    page.goto(site.login)
    page.goto(f"{site.url}/segments/new?name=survives")
    assert page.input_value("[aria-label=Fact]") == ""
    page.click("[data-take]")
    page.wait_for_function("() => document.querySelector('#when').value === 'orders.90d >= 3'")
    assert page.input_value("[aria-label=Value]") == "3"
    page.context.close()
