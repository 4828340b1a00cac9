"""Signing in by a provider in the browser: the button, the way there and back, and what a browser that did not go there is told."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from pydantic import SecretStr

from app.access.accounts import provider as by_provider
from app.access.accounts.domain import Role
from tests.access import provider as local
from tests.access.provider import CLIENT_ID, CLIENT_SECRET, Provider
from tests.dashboard.site import Site


@pytest.fixture
def provider(site: Site) -> Iterator[Provider]:
    """A provider that the site is configured for, where the marketer of the shop is signed in."""
    site.browser(Role.MARKETER)
    with local.running() as made:
        made.claims = {"email": "marketer@shop.example", "email_verified": True}
        by_provider._metadata.clear()
        settings = site.settings
        settings.oidc_issuer, settings.oidc_client_id, settings.oidc_name = made.url, CLIENT_ID, "Keyring <b>"
        settings.oidc_client_secret = SecretStr(CLIENT_SECRET)
        try:
            yield made
        finally:
            settings.oidc_issuer, settings.oidc_client_id, settings.oidc_name = "", "", "your provider"


def gone(http: httpx.Client, provider: Provider, next: str = "/audit") -> dict[str, str]:
    """Go to the provider with a browser, and return what it sends back."""
    answer = http.get("/login/provider", params={"next": next})
    assert answer.status_code == 303, answer.text
    asked = parse_qs(urlsplit(answer.headers["location"]).query)
    assert asked["redirect_uri"] == [f"{http.base_url}".rstrip("/") + "/login/callback"]
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    return provider.walk(answer.headers["location"])


def test_the_button_leads_to_the_provider_and_back_to_the_page(site: Site, provider: Provider) -> None:
    with httpx.Client(base_url=site.url) as http:
        page = http.get("/login?next=/audit").text
        assert "Sign in with Keyring &lt;b&gt;" in page
        assert 'href="/login/provider?next=%2Faudit"' in page
        answer = http.get("/login/callback", params=gone(http, provider))
        assert (answer.status_code, answer.headers["location"]) == (303, "/audit")
        assert "marketer@shop.example" in http.get("/account").text


def test_it_never_leads_to_another_site(site: Site, provider: Provider) -> None:
    with httpx.Client(base_url=site.url) as http:
        answer = http.get("/login/callback", params=gone(http, provider, "//evil.example"))
        assert answer.headers["location"] == "/"


def test_the_state_of_another_browser_opens_nothing(site: Site, provider: Provider) -> None:
    with httpx.Client(base_url=site.url) as mine, httpx.Client(base_url=site.url) as theirs:
        back = gone(theirs, provider)
        answer = mine.get("/login/callback", params=back)
        assert answer.status_code == 403
        assert "did not begin in this browser" in answer.text
        gone(mine, provider)
        assert mine.get("/login/callback", params=back).status_code == 403
        assert mine.get("/audit").status_code == 303


def test_what_is_wrong_is_told_on_the_sign_in_page(site: Site, provider: Provider) -> None:
    with httpx.Client(base_url=site.url) as http:
        provider.wrong = {"nonce": "another"}
        answer = http.get("/login/callback", params=gone(http, provider))
        assert answer.status_code == 401
        assert "cannot be believed" in answer.text
        provider.wrong = {"email": "stranger@shop.example"}
        answer = http.get("/login/callback", params=gone(http, provider))
        assert answer.status_code == 403
        assert "an administrator must invite it first" in answer.text
        answer = http.get("/login/callback", params={"error": "access_denied"})
        assert answer.status_code == 401
        assert "did not let you in" in answer.text


def test_a_provider_that_is_away_is_told_and_passwords_go_on_working(site: Site, provider: Provider) -> None:
    with httpx.Client(base_url=site.url) as http:
        back = gone(http, provider)
        provider.away = True
        answer = http.get("/login/callback", params=back)
        assert answer.status_code == 502
        assert "cannot be reached now" in answer.text
        assert 'name="password"' in answer.text


def test_without_a_provider_the_page_offers_none(site: Site) -> None:
    with httpx.Client(base_url=site.url) as http:
        assert "Sign in with" not in http.get("/login").text
        assert http.get("/login/provider").status_code == 404
