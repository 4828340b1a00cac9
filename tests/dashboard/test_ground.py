"""The ground of all pages: signing in, who may see what, and what keeps other sites and hostile texts out."""

import re
from html.parser import HTMLParser

import httpx
import pytest

from app.access.accounts.domain import Role
from app.dashboard import nav
from app.dashboard.pages.system.sign_in import local
from tests.dashboard.site import PASSWORD, Browser, Site

PAGES = [entry.path for entry in nav.MENU] + ["/account", "/styleguide"]


def test_somebody_who_is_not_signed_in_is_sent_to_the_sign_in_page_and_back(site: Site) -> None:
    site.browser(Role.VIEWER)
    with httpx.Client(base_url=site.url) as http:
        answer = http.get("/audit?kind=client")
        assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2Faudit%3Fkind%3Dclient")
        form = {"email": "viewer@shop.example", "password": PASSWORD, "next": "/audit?kind=client"}
        entered = http.post("/login", data=form)
        assert (entered.status_code, entered.headers["location"]) == (303, "/audit?kind=client")
        cookie = entered.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert http.get("/audit").status_code == 200


def test_a_wrong_password_is_told_on_the_page(site: Site) -> None:
    answer = httpx.post(f"{site.url}/login", data={"email": "nobody@shop.example", "password": "wrong"})
    assert answer.status_code == 401
    assert "is wrong" in answer.text


@pytest.mark.parametrize(
    ("path", "leads"),
    [("/people?q=a", "/people?q=a"), *((odd, "/") for odd in ("//evil.example", "https://evil.example", "/\\evil.example", "", "/a\nb"))],
)
def test_signing_in_never_leads_to_another_site(path: str, leads: str) -> None:
    assert local(path) == leads


def own(page: str) -> list[str]:
    """Return the scripts, styles and handlers that a page holds itself; a text that looks like one is none."""
    found: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            names = dict(attrs)
            if tag == "style" or (tag == "script" and not str(names.get("src")).startswith("/static/")):
                found.append(tag)
            found.extend(f"{tag} {name}" for name in names if name.startswith("on") or name in ("style", "srcdoc"))

    Reader().feed(page)
    return found


@pytest.mark.parametrize("path", PAGES)
def test_every_page_of_the_menu_opens_and_allows_no_script_of_its_own(browser: Browser, path: str) -> None:
    answer = browser.http.get(path)
    assert answer.status_code == 200, answer.text[:1000]
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "script-src 'self'" in policy
    assert own(answer.text) == [], path
    page = answer.text
    assert 'aria-current="page"' in page or path in ("/account", "/styleguide")


def test_assets_are_kept_for_good_under_the_name_of_their_content(browser: Browser) -> None:
    page = browser.get("/account")
    addresses = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
    assert len(addresses) >= 4
    for address in addresses:
        answer = browser.http.get(address)
        assert "immutable" in answer.headers["cache-control"]
        assert re.search(r"\.[0-9a-f]{10}\.", address)
    module = browser.http.get(next(address for address in addresses if "/app." in address)).text
    for name in re.findall(r'from "\./([^"]+)"', module):
        assert browser.http.get(f"/static/{name}").status_code == 200, name
        packed = browser.http.get(f"/static/{name}", headers={"Accept-Encoding": "gzip"})
        plain = browser.http.get(f"/static/{name}", headers={"Accept-Encoding": "identity"})
        assert (packed.headers["content-encoding"], packed.headers["vary"]) == ("gzip", "Accept-Encoding")
        assert "content-encoding" not in plain.headers
        assert packed.content == plain.content
    assert browser.http.get("/static/app.js").status_code == 404


def test_the_first_load_is_under_150_kilobytes(browser: Browser) -> None:
    page = browser.http.get("/")
    weight = len(page.content) + sum(len(browser.http.get(one).content) for one in set(re.findall(r'"(/static/[^"]+)"', page.text)))
    assert weight < 150_000


def test_a_change_that_another_site_starts_is_refused(site: Site, browser: Browser) -> None:
    token = re.search(r'name="csrf" content="([0-9a-f]+)"', browser.get("/account"))
    assert token
    form = {"csrf": token[1], "old": "", "new": "another long password"}
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}):
        assert browser.http.post("/account/password", data=form, headers=headers).status_code == 403
    assert browser.http.post("/account/password", data={**form, "csrf": ""}).status_code == 403
    assert browser.http.post("/account/password", data={**form, "csrf": "0" * 64}).status_code == 403
    assert browser.http.post("/logout", headers={"X-Csrf": "0" * 64}).status_code == 403


def test_signing_out_ends_the_session_everywhere(site: Site) -> None:
    browser = site.browser(Role.MARKETER)
    browser.post("/logout")
    assert httpx.get(f"{site.api}/v1/admin/me", headers={"Authorization": f"Bearer {browser.token}"}).status_code == 401


def test_a_page_says_when_the_api_is_away_and_comes_back(site: Site) -> None:
    from fastapi.testclient import TestClient

    from app.dashboard.app import create_app

    with TestClient(create_app(site.settings, "http://127.0.0.1:9")) as http:
        answer = http.get("/", cookies={"morsel_80": "ma_x"})
        assert answer.status_code == 503
        assert "data-again" in answer.text
