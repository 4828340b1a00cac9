"""Signing in by an OpenID Connect provider: who is vouched for enters, and nothing that is not as it must be opens a session."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from joserfc.jwk import RSAKey

from app.access.accounts import provider as by_provider
from app.access.accounts import service as accounts
from app.access.accounts.domain import Role
from app.access.accounts.schemas import NewAccount
from app.core.db import Database
from app.core.settings import Settings
from tests.access import provider as local
from tests.access.provider import CLIENT_ID, CLIENT_SECRET, Provider

BACK = "http://127.0.0.1:8001/login/callback"
ANNA = {"email": "anna@shop.example", "email_verified": True, "name": "Anna"}


@pytest.fixture(scope="module")
def _served() -> Iterator[Provider]:
    with local.running() as made:
        yield made


@pytest.fixture
def provider(_served: Provider, settings: Settings) -> Provider:
    """A provider that Morsel is configured for, with Anna signed in."""
    _served.claims, _served.wrong, _served.away, _served.signs_with = dict(ANNA), {}, False, None
    by_provider._metadata.clear()
    settings.oidc_issuer, settings.oidc_client_id, settings.oidc_name = _served.url, CLIENT_ID, "Keyring"
    settings.oidc_client_secret = type(settings.oidc_client_secret)(CLIENT_SECRET)
    settings.oidc_role = ""
    return _served


@pytest.fixture
async def anna(db: Database, tenant: int) -> None:
    """Anna is invited, and has never set a password."""
    await accounts.invite(db, tenant, "test", NewAccount(email="Anna@shop.example", role=Role.MARKETER))


async def begun(http: httpx.AsyncClient) -> dict[str, str]:
    answer = await http.post("/login/provider", json={"redirect_uri": BACK})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def came_back(http: httpx.AsyncClient, provider: Provider) -> dict[str, str]:
    import asyncio

    return await asyncio.to_thread(provider.walk, (await begun(http))["address"])


async def finish(http: httpx.AsyncClient, back: dict[str, str]) -> httpx.Response:
    return await http.post("/login/provider/finish", json={"code": back["code"], "state": back["state"], "agent": "test"})


async def test_who_was_invited_enters_with_their_role_and_it_is_told(http: httpx.AsyncClient, provider: Provider, anna: None) -> None:
    assert (await http.get("/login/provider")).json() == {"name": "Keyring"}
    answer = await finish(http, await came_back(http, provider))
    assert answer.status_code == 201, answer.text
    opened = answer.json()
    assert (opened["email"], opened["role"]) == ("Anna@shop.example", "marketer")
    headers = {"Authorization": f"Bearer {opened['token']}"}
    assert (await http.get("/v1/admin/me", headers=headers)).json()["email"] == "Anna@shop.example"
    line = (await http.get("/v1/admin/audit", params={"kind": "account"}, headers=headers)).json()["lines"][0]
    assert (line["what"], line["note"]) == ("sign in", "by Keyring")


async def test_who_was_not_invited_stays_out_unless_a_first_role_is_set(
    http: httpx.AsyncClient, provider: Provider, settings: Settings, db: Database, tenant: int
) -> None:
    answer = await finish(http, await came_back(http, provider))
    assert answer.status_code == 403
    assert "an administrator must invite it first" in answer.json()["detail"]
    assert await accounts.listed(db, tenant) == []
    settings.oidc_role = "viewer"
    for _ in range(2):
        answer = await finish(http, await came_back(http, provider))
        assert (answer.status_code, answer.json()["role"]) == (201, "viewer")
    assert [(one.email, one.name, one.role) for one in await accounts.listed(db, tenant)] == [("anna@shop.example", "Anna", "viewer")]


@pytest.mark.parametrize(
    "wrong",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "somebody-else"},
        {"aud": [CLIENT_ID, "somebody-else"]},
        {"iss": "https://evil.example"},
        {"exp": 1_700_000_000},
        {"exp": None},
        {"email_verified": False},
        {"email_verified": None},
        {"email_verified": "false"},
        {"email": None},
        {"email": "no address"},
        {"email": ["anna@shop.example"]},
        {"sub": None},
    ],
    ids=str,
)
async def test_a_token_that_is_not_as_it_must_be_opens_nothing(
    http: httpx.AsyncClient, provider: Provider, anna: None, wrong: dict[str, Any]
) -> None:
    provider.wrong = wrong
    answer = await finish(http, await came_back(http, provider))
    assert answer.status_code == 401, answer.text
    assert "Keyring" in answer.json()["detail"]
    assert "token" not in answer.json()


async def test_a_token_that_somebody_else_signed_opens_nothing(http: httpx.AsyncClient, provider: Provider, anna: None) -> None:
    provider.signs_with = RSAKey.generate_key(2048, {"kid": "one"})
    assert (await finish(http, await came_back(http, provider))).status_code == 401


async def test_a_code_works_once_and_only_with_the_state_that_it_came_with(http: httpx.AsyncClient, provider: Provider, anna: None) -> None:
    first, second = await came_back(http, provider), await came_back(http, provider)
    # the code of one sign-in with the state of another: the verifier does not fit
    assert (await finish(http, {**first, "state": second["state"]})).status_code == 401
    third = await came_back(http, provider)
    assert (await finish(http, third)).status_code == 201
    assert (await finish(http, third)).status_code == 401


async def test_a_state_that_was_not_made_here_or_is_old_is_refused(
    http: httpx.AsyncClient, provider: Provider, anna: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = await came_back(http, provider)
    swapped = back["state"][:-4] + ("AAAA" if not back["state"].endswith("AAAA") else "BBBB")
    for odd in ("x", "AAAA", swapped):
        assert (await finish(http, {**back, "state": odd})).status_code == 401
    real = time.time
    monkeypatch.setattr(by_provider.time, "time", lambda: real() + 601)
    answer = await finish(http, back)
    assert answer.status_code == 401
    assert "begin again" in answer.json()["detail"]


async def test_an_account_that_is_switched_off_stays_out(
    http: httpx.AsyncClient, provider: Provider, db: Database, tenant: int, anna: None
) -> None:
    async with db.begin() as connection:
        from sqlalchemy import text

        await connection.execute(text("update account set disabled_at = now()"))
    answer = await finish(http, await came_back(http, provider))
    assert answer.status_code == 401
    assert "switched off" in answer.json()["detail"]


async def test_a_provider_that_is_away_is_told_as_such(http: httpx.AsyncClient, provider: Provider, settings: Settings, anna: None) -> None:
    back = await came_back(http, provider)
    provider.away = True
    answer = await finish(http, back)
    assert (answer.status_code, answer.json()["code"]) == (502, "provider_away")
    by_provider._metadata.clear()
    answer = await http.post("/login/provider", json={"redirect_uri": BACK})
    assert (answer.status_code, answer.json()["code"]) == (502, "provider_away")
    settings.oidc_issuer = "http://127.0.0.1:9"
    answer = await http.post("/login/provider", json={"redirect_uri": BACK})
    assert (answer.status_code, answer.json()["code"]) == (502, "provider_away")


async def test_without_a_provider_there_is_none(http: httpx.AsyncClient, settings: Settings) -> None:
    assert (await http.get("/login/provider")).json() == {"name": ""}
    assert (await http.post("/login/provider", json={"redirect_uri": BACK})).status_code == 404
    for odd in ("javascript:alert(1)", "https://evil.example/", "/login/callback"):
        assert (await http.post("/login/provider", json={"redirect_uri": odd})).status_code == 422


def test_a_provider_needs_tls_and_a_client_id() -> None:
    with pytest.raises(ValueError, match="https://"):
        Settings(oidc_issuer="http://login.example", oidc_client_id="x")
    with pytest.raises(ValueError, match="MORSEL_OIDC_CLIENT_ID"):
        Settings(oidc_issuer="https://login.example")
