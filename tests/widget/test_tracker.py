"""The website tracker in a real browser: what it sends, what it never sends, and what it leaves on the device."""

import asyncio
import gzip
import http.server
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from playwright.sync_api import Page

from app.access import service as access
from app.access.domain import ClientKind, KeyKind, Scope
from app.access.schemas import NewClient, NewKey
from app.core import migrations
from app.core.db import Database
from app.core.embedded import services
from app.core.ids import DEFAULT_TENANT
from app.core.settings import Settings
from app.data.identity.vault import DataKeys
from tests.browser import page as browser_page
from tests.conftest import needs
from tests.e2e.serving import served
from tests.serving.shop import stock

pytestmark = [pytest.mark.system, needs("chromium")]
_LARGEST_GZIP = 5_000

PAGE = """<!doctype html><html><head><title>A shirt</title>
<script>window.morsel = window.morsel || []; window.errors = []; window.onerror = function (m) {{ errors.push(m) }};</script>
<script type="application/ld+json">{{"@type": "Product", "sku": "i5"}}</script>
<script type="application/ld+json">{{ broken</script>
<script async src="{morsel}/tracker.js" data-key="{key}" {more}></script></head><body>
<button id="size">Size guide</button><button data-morsel-cart="i9" data-morsel-quantity="2">Add</button>
<form id="news" name="newsletter" onsubmit="return false"><input name="mail" value="ann@shop.example"><input type="submit" id="go"></form>
<p data-morsel-checkout="2">Address</p></body></html>"""


class _Pages(http.server.BaseHTTPRequestHandler):
    page = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(self.page)

    def log_message(self, format: str, *values: Any) -> None:
        """Be silent."""


@contextmanager
def website() -> Iterator[tuple[str, type[_Pages]]]:
    """A shop's own website on an origin of its own."""
    handler = type("Pages", (_Pages,), {})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", handler
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Site:
    """A website whose pages load the tracker of a running Morsel."""

    origin: str
    morsel: str
    key: str
    admin_key: str
    settings: Settings
    pages: type[_Pages]
    after: int = 0

    def show(self, more: str = "", *, morsel: str = "") -> None:
        """Let the website's pages carry the tracker, with attributes; what was stored before counts no more."""
        self.pages.page = PAGE.format(morsel=morsel or self.morsel, key=self.key, more=more).encode()
        self.after += len(self.events())

    def events(self) -> list[dict[str, Any]]:
        """Return what was stored, as it was sent."""
        with ThreadPoolExecutor(1) as apart:  # the browser's driver runs a loop in this thread
            return apart.submit(asyncio.run, self._events()).result()[self.after :]

    async def _events(self) -> list[dict[str, Any]]:
        db = Database(self.settings.database_url)
        keys = DataKeys(self.settings)
        rows = await db.rows("select e.payload, e.person_no, p.data_key from event e join person p using (person_no) order by e.event_no")
        found = [json.loads(keys.cipher(person, sealed).unseal(payload)) for payload, person, sealed in rows if payload]
        await db.close()
        return [one for one in found if one.get("anonymousId")]

    def until(self, count: int, seconds: float = 15) -> list[dict[str, Any]]:
        """Wait until so many events are stored."""
        end = time.monotonic() + seconds
        while len(found := self.events()) < count and time.monotonic() < end:
            time.sleep(0.1)
        return found

    def recommended(self, anonymous_id: str) -> dict[str, Any]:
        """Ask as the website would."""
        parameters = {"placement": "email-grid", "anonymous_id": anonymous_id, "key": self.key}
        answer = httpx2.get(f"{self.morsel}/v1/recommendations", params=parameters, headers={"Origin": self.origin})
        found: dict[str, Any] = answer.json()
        return found

    def profile(self, anonymous_id: str) -> dict[str, Any]:
        """Look a visitor up as the shop's staff would; empty while nobody knows them."""
        address = f"{self.morsel}/v1/admin/people/{anonymous_id}"
        answer = httpx2.get(address, params={"by": "anonymous_id"}, headers={"X-Api-Key": self.admin_key})
        found: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
        return found


async def _stocked(settings: Settings, origin: str) -> tuple[str, str]:
    """Stock a shop and return a website key bound to an origin, and a key of the shop's own staff."""
    db = Database(settings.database_url)
    await stock(db, settings)
    wanted = NewClient(name="website", kind=ClientKind.WEBSITE, scopes=[Scope.RECOMMEND, Scope.EVENTS], origins=[origin])
    client = await access.create_client(db, settings, DEFAULT_TENANT, wanted)
    key = await access.create_key(db, DEFAULT_TENANT, client.client_id, NewKey(kind=KeyKind.WEBSITE, origins=[origin]))
    staff = await access.create_client(db, settings, DEFAULT_TENANT, NewClient(name="staff", scopes=[Scope.PROFILES]))
    staff_key = await access.create_key(db, DEFAULT_TENANT, staff.client_id, NewKey())
    await db.close()
    return key.key, staff_key.key


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One Morsel with a website, for all tests here."""
    folder = tmp_path_factory.mktemp("site")
    settings = Settings(data_dir=folder / "data", model_dir=folder / "models", log_format="console")
    with services(settings) as urls, website() as (origin, pages):
        found = settings.model_copy(update={"database_url": urls.database_url, "redis_url": urls.redis_url})
        migrations.upgrade(urls.database_url)
        keys = asyncio.run(_stocked(found, origin))
        with served(found) as morsel:
            yield Site(origin, morsel, *keys, found, pages)


@pytest.fixture
def site(shared: Site) -> Site:
    """The website as it is at first."""
    shared.show()
    return shared


def stored_on_device(page: Page) -> list[Any]:
    return [page.context.cookies(), page.evaluate("Object.keys(localStorage)"), page.evaluate("Object.keys(sessionStorage)")]


def test_the_script_is_small_and_may_be_cached_by_anyone(site: Site) -> None:
    answer = httpx2.get(f"{site.morsel}/tracker.js", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) < _LARGEST_GZIP
    plain = httpx2.get(f"{site.morsel}/tracker.js", headers={"Accept-Encoding": "identity"})
    assert len(gzip.compress(plain.content)) < _LARGEST_GZIP
    assert plain.headers["content-type"].startswith("text/javascript")
    again = httpx2.get(f"{site.morsel}/tracker.js", headers={"If-None-Match": plain.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_everything_a_visitor_does_is_told_once_and_nothing_typed(site: Site) -> None:
    def visit() -> tuple[list[dict[str, Any]], list[str]]:
        with browser_page() as page:
            page.goto(f"{site.origin}/shirt?q=linen&utm_source=mail&email=ann@shop.example", referer=f"{site.origin}/home?token=secret")
            page.wait_for_function("() => !!window.morsel.track")
            page.evaluate("morsel.consent(true)")
            page.click("#size")
            page.click("[data-morsel-cart]")
            page.click("#go")
            page.evaluate("dataLayer.push({event: 'purchase', ecommerce: {transaction_id: 'T1', items: [{item_id: 'i7', price: 5}]}})")
            page.evaluate("history.pushState({}, '', '/next')")
            found = site.until(12)
            page.reload()  # what the first page had sent must not come again
            page.wait_for_function("() => !!window.morsel.track")
            page.wait_for_timeout(500)
            return found, page.evaluate("errors")

    found, errors = visit()
    assert errors == []
    names = [(one["type"], one.get("event")) for one in found]
    for name in (
        "Products Searched",
        "Product Viewed",
        "Checkout Step Viewed",
        "Button Clicked",
        "Product Added",
        "Form Submitted",
        "purchase",
    ):
        assert ("track", name) in names
    assert [one["properties"]["path"] for one in found if one["type"] == "page"] == ["/shirt", "/next"]
    first = found[0]
    assert first["context"]["page"]["url"] == f"{site.origin}/shirt?utm_source=mail"
    assert first["context"]["page"]["referrer"].startswith(site.origin)
    added = next(one for one in found if one.get("event") == "Product Added")
    assert added["properties"] == {"product_id": "i9", "quantity": 2}
    assert "ann@shop" not in json.dumps(found)
    assert "secret" not in json.dumps(found)
    every = site.events()
    assert len({one["messageId"] for one in every}) == len(every)
    assert len({one["anonymousId"] for one in every}) == 1


def test_before_consent_nothing_is_sent_and_nothing_lies_on_the_device(site: Site) -> None:
    def visit() -> None:
        with browser_page() as page:
            sent: list[str] = []
            page.on("request", lambda request: sent.append(request.url))
            page.goto(f"{site.origin}/shirt")
            page.wait_for_function("() => !!window.morsel.track")
            page.click("#size")
            page.wait_for_timeout(500)
            assert not [url for url in sent if "/v1/" in url]
            assert stored_on_device(page) == [[], [], []]
            assert page.evaluate("morsel.id()") == ""
            page.evaluate("morsel.consent(true)")
            assert len(page.evaluate("morsel.id()")) == 32
            assert len(site.until(4)) >= 4, "what happened before was held and is told now"
            page.evaluate("morsel.consent(false)")
            assert stored_on_device(page) == [[], [], []]

    visit()


def test_global_privacy_control_leaves_no_trace_anywhere(site: Site) -> None:
    def visit() -> None:
        with browser_page() as page:
            page.add_init_script("Object.defineProperty(navigator, 'globalPrivacyControl', {value: true})")
            page.goto(f"{site.origin}/shirt")
            page.wait_for_function("() => !!window.morsel.track")
            page.evaluate("morsel.consent(true)")
            page.evaluate("morsel.track('Product Viewed', {product_id: 'i5'})")
            page.click("#size")
            page.goto(f"{site.origin}/other")
            page.wait_for_timeout(500)
            assert stored_on_device(page) == [[], [], []]
            assert site.events() == []

    visit()


def test_without_cookies_a_visit_is_told_and_nothing_lies_on_the_device(site: Site) -> None:
    site.show('data-mode="cookieless"')

    def visit() -> None:
        with browser_page() as page:
            page.goto(f"{site.origin}/shirt")
            page.wait_for_function("() => !!window.morsel.track")
            assert len(site.until(3)) >= 3
            assert stored_on_device(page) == [[], [], []]

    visit()


def test_a_page_view_changes_what_the_next_answer_recommends(site: Site) -> None:
    def visit() -> tuple[dict[str, Any], dict[str, Any], float]:
        with browser_page() as page:
            page.goto(f"{site.origin}/shirt")
            page.wait_for_function("() => !!window.morsel.track")
            page.evaluate("morsel.consent(true)")
            visitor = page.evaluate("morsel.id()")
            before = site.recommended("nobody-yet")
            began = time.monotonic()
            while (after := site.recommended(visitor))["fallback"] and time.monotonic() - began < 10:
                time.sleep(0.02)
            return before, after, time.monotonic() - began

    before, after, seconds = visit()
    assert before["fallback_reason"] == "unknown_user"
    assert after["source"] in ("live", "cached")
    assert [item["item_id"] for item in after["items"]] != [item["item_id"] for item in before["items"]]
    print(f"from the page view to a changed recommendation: {seconds:.2f} s")


def test_a_visit_with_its_pages_and_the_cart_stand_in_the_profile(site: Site) -> None:
    def visit() -> tuple[dict[str, Any], float]:
        with browser_page() as page:
            page.goto(f"{site.origin}/shirt")
            page.wait_for_function("() => !!window.morsel.track")
            page.evaluate("morsel.consent(true)")
            visitor = page.evaluate("morsel.id()")
            page.click("[data-morsel-cart]")
            page.evaluate("history.pushState({}, '', '/next')")
            began = time.monotonic()
            while True:
                found = site.profile(visitor)
                whole = found and found["cart"] and found["visits"][0]["pages"] == 2
                if whole or time.monotonic() - began > 10:
                    return found, time.monotonic() - began
                time.sleep(0.02)

    found, seconds = visit()
    assert len(found["visits"]) == 1
    assert found["visits"][0]["pages"] == 2
    assert [(one["item_id"], one["quantity"]) for one in found["cart"]] == [("i9", 2)]
    assert found["counts"]["cart"]["1h"] == 1
    print(f"from the last page view to the profile: {seconds:.2f} s")


def test_what_could_not_be_sent_is_kept_and_sent_once_by_a_later_page(site: Site) -> None:
    def visit() -> None:
        with browser_page() as page:
            page.route("**/v1/batch**", lambda route: route.abort())
            page.goto(f"{site.origin}/shirt")
            page.wait_for_function("() => !!window.morsel.track")
            page.evaluate("morsel.consent(true)")
            page.click("#size")
            page.wait_for_timeout(500)
            assert site.events() == []
            waiting = page.evaluate("JSON.parse(localStorage.morsel_queue)")
            assert "Button Clicked" in [one.get("event") for one in waiting]
            page.unroute("**/v1/batch**")
            page.goto(f"{site.origin}/later")
            found = site.until(len(waiting) + 2)
            ids = [one["messageId"] for one in found]
            assert {one["messageId"] for one in waiting} <= set(ids)
            assert len(ids) == len(set(ids))
            page.wait_for_function("() => !localStorage.morsel_queue")

    visit()


def test_a_page_is_whole_while_morsel_is_away(site: Site) -> None:
    site.show(morsel="http://127.0.0.1:9")

    def visit() -> None:
        with browser_page() as page:
            page.goto(f"{site.origin}/shirt")
            page.click("#size")
            page.evaluate("morsel.push(['track', 'Product Viewed', {product_id: 'i5'}])")
            assert page.evaluate("errors") == []
            assert page.title() == "A shirt"

    visit()


def test_calls_made_before_the_script_came_are_not_lost(site: Site) -> None:
    site.pages.page = site.pages.page.replace(
        b"window.morsel || [];",
        b"window.morsel || []; morsel.push(['consent', true]); morsel.push(['track', 'Early', {product_id: 'i3'}]);",
    )

    def visit() -> list[dict[str, Any]]:
        with browser_page() as page:
            requests: list[str] = []
            page.on("request", lambda request: requests.append(request.url))
            page.goto(f"{site.origin}/shirt")
            found = site.until(4)
            page.wait_for_timeout(100)  # the driver tells of requests only while it is asked something
            sent = next(urlsplit(url) for url in requests if "/v1/batch" in url)
            assert parse_qs(sent.query) == {"key": [site.key]}
            return found

    assert "Early" in [one.get("event") for one in visit()]
