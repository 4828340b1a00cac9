"""Admin routes of clients and keys, CORS of website keys, and what the OpenAPI document promises."""

import re

import httpx
import pytest
from fastapi import FastAPI

from app.access.domain import ClientKind, Scope
from app.access.runtime import Access

SHOP = "https://shop.example"


@pytest.fixture
async def admin(http: httpx.AsyncClient, make, token) -> httpx.AsyncClient:
    """An HTTP client with the scope admin."""
    http.headers["Authorization"] = f"Bearer {await token(await make(scopes=(Scope.ADMIN,)))}"
    return http


async def test_a_client_is_made_used_listed_and_revoked_over_http(admin: httpx.AsyncClient):
    made = await admin.post("/v1/admin/clients", json={"name": "Braze", "kind": "esp", "scopes": ["recommend"]})
    assert made.status_code == 201
    client = made.json()
    assert client["on_limit"] == "popular"
    key = (await admin.post(f"/v1/admin/clients/{client['client_id']}/keys", json={"kind": "url", "placements": ["email-hero"]})).json()
    plain = httpx.AsyncClient(transport=admin._transport, base_url="http://morsel.test")
    assert (await plain.get("/v1/recommendations", params={"key": key["key"]})).json()["client_id"] == client["client_id"]

    listed = await admin.get("/v1/admin/clients")
    assert client["client_id"] in [c["client_id"] for c in listed.json()["clients"]]
    assert client["client_secret"] not in listed.text
    assert key["key"] not in listed.text
    assert [k["hint"][:7] for k in listed.json()["keys"]] == ["mk_url_"]

    assert (await admin.delete(f"/v1/admin/keys/{key['key_no']}")).json() == {"status": "done"}
    assert (await plain.get("/v1/recommendations", params={"key": key["key"]})).status_code == 401
    assert (await admin.delete(f"/v1/admin/clients/{client['client_id']}")).json() == {"status": "done"}
    assert (await admin.delete(f"/v1/admin/clients/{client['client_id']}")).status_code == 404
    form = {"grant_type": "client_credentials", "client_id": client["client_id"], "client_secret": client["client_secret"]}
    assert (await plain.post("/oauth/token", data=form)).status_code == 401


async def test_admin_read_lists_and_changes_nothing(http, make, token):
    http.headers["Authorization"] = f"Bearer {await token(await make(scopes=(Scope.ADMIN_READ,)))}"
    assert (await http.get("/v1/admin/clients")).status_code == 200
    for call in (
        http.post("/v1/admin/clients", json={"name": "x", "scopes": ["recommend"]}),
        http.delete("/v1/admin/clients/mc_1"),
        http.delete("/v1/admin/keys/1"),
        http.post("/v1/admin/signing-keys/rotate", json={}),
    ):
        answer = await call
        assert answer.status_code == 403
        assert answer.json()["code"] == "forbidden"


async def test_one_tenant_sees_nothing_of_another(admin, access: Access, db, make, token):
    await db.run("insert into tenant (tenant, name) values (2, 'second')")
    other = await make(tenant=2, scopes=(Scope.ADMIN,))
    assert other.client_id not in (await admin.get("/v1/admin/clients")).text
    assert (await admin.delete(f"/v1/admin/clients/{other.client_id}")).status_code == 404
    assert (await admin.post(f"/v1/admin/clients/{other.client_id}/keys", json={})).status_code == 404
    admin.headers["Authorization"] = f"Bearer {await token(other)}"
    assert [c["client_id"] for c in (await admin.get("/v1/admin/clients")).json()["clients"]] == [other.client_id]


async def test_keys_are_rotated_over_http(admin: httpx.AsyncClient):
    made = (await admin.post("/v1/admin/signing-keys/rotate", json={})).json()
    assert made["kid"] in [key["kid"] for key in (await admin.get("/.well-known/jwks.json")).json()["keys"]]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v1/admin/clients", {"name": "x\u0000", "scopes": ["recommend"]}, 422),
        ("POST", "/v1/admin/clients", {"name": "x", "scopes": ["everything"]}, 422),
        ("POST", "/v1/admin/clients", {"name": "x", "scopes": ["recommend"], "extra": 1}, 422),
        ("POST", "/v1/admin/clients", {"name": "x", "scopes": ["recommend"], "origins": ["x"]}, 422),
        ("POST", "/v1/admin/clients/%00/keys", {}, 422),
        ("POST", "/v1/admin/clients/nobody/keys", {}, 404),
        ("DELETE", "/v1/admin/clients/%00", None, 422),
        ("DELETE", "/v1/admin/keys/99999999999", None, 422),
        ("DELETE", "/v1/admin/keys/77", None, 404),
    ],
)
async def test_a_wrong_admin_call_is_told_so(admin: httpx.AsyncClient, method, path, body, status):
    answer = await admin.request(method, path, json=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "body",
    [b"\xff\xfe", b"{", b'{"name": "\\ud800", "scopes": ["recommend"]}', b'{"\\ud800": 1}', b"[" * 5000, b'{"name": NaN}', b"9" * 5000],
)
async def test_a_body_that_is_no_proper_json_is_refused(admin: httpx.AsyncClient, body):
    answer = await admin.post("/v1/admin/clients", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_call_without_a_credential_is_401_on_every_protected_route(http: httpx.AsyncClient, app: FastAPI):
    paths = [(path, method) for path, methods in app.openapi()["paths"].items() if path.startswith("/v1") for method in methods]
    assert len(paths) >= 8
    for path, method in paths:
        answer = await http.request(method, re.sub(r"{.*?}", "1", path))
        assert answer.status_code == 401, path
        assert answer.json()["code"] == "unauthorized"


async def test_the_admin_routes_say_when_the_database_is_away(admin, access: Access):
    access.db = None
    answer = await admin.get("/v1/admin/clients")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


def test_every_route_documents_its_refusals_as_problems(app: FastAPI):
    for path, methods in app.openapi()["paths"].items():
        if not path.startswith("/v1/admin"):
            continue
        for operation in methods.values():
            assert {"400", "401", "403", "422", "429"} <= set(operation["responses"])
            assert operation["security"]
            for status, answer in operation["responses"].items():
                if status >= "400":
                    assert list(answer["content"]) == ["application/problem+json"], (path, status)


@pytest.fixture
async def website(admin: httpx.AsyncClient) -> str:
    """A key of a website."""
    client = (await admin.post("/v1/admin/clients", json={"name": "Shop", "kind": "website", "scopes": ["recommend", "events"]})).json()
    made = await admin.post(f"/v1/admin/clients/{client['client_id']}/keys", json={"kind": "website", "origins": [SHOP]})
    del admin.headers["Authorization"]
    return made.json()["key"]


async def test_a_bound_origin_passes_its_preflight_and_reads_the_answer(http, website):
    ask = {"Origin": SHOP, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "x-api-key"}
    preflight = await http.options("/v1/recommendations", headers=ask)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == SHOP
    assert int(preflight.headers["access-control-max-age"]) > 0
    assert preflight.headers["vary"] == "Origin"
    assert "access-control-allow-credentials" not in preflight.headers
    for answer in (
        await http.get("/v1/recommendations", headers={"Origin": SHOP, "X-Api-Key": website}),
        await http.get("/v1/recommendations", headers={"Origin": SHOP}, params={"key": website}),
    ):
        assert answer.status_code == 200
        assert answer.json()["public"] is True
        assert answer.headers["access-control-allow-origin"] == SHOP
        assert answer.headers["vary"] == "Origin"


async def test_another_origin_gets_neither_preflight_nor_answer(http, website):
    evil = {"Origin": "https://evil.example"}
    preflight = await http.options("/v1/recommendations", headers={**evil, "Access-Control-Request-Method": "GET"})
    answer = await http.get("/v1/recommendations", headers=evil, params={"key": website})
    for refused in (preflight, answer):
        assert refused.status_code == 403
        assert "access-control-allow-origin" not in refused.headers
        assert refused.headers["vary"] == "Origin"


async def test_a_change_that_was_kept_is_told_even_if_it_cannot_be_read_back(admin, monkeypatch):
    from app.access import runtime

    async def away(*_: object) -> None:
        raise OSError("away")

    monkeypatch.setattr(runtime, "load_directory", away)
    made = await admin.post("/v1/admin/clients", json={"name": "x", "scopes": ["recommend"]})
    assert made.status_code == 201
    assert made.json()["client_secret"]


async def test_a_write_key_may_be_used_by_pages_of_its_origins(admin, access: Access, make):
    client = await make(scopes=(Scope.EVENTS,))
    await admin.post(f"/v1/admin/clients/{client.client_id}/keys", json={"kind": "write", "origins": [SHOP]})
    assert access.web_origins == {SHOP}


async def test_a_cache_keeps_answers_with_and_without_origin_apart(http, website):
    assert (await http.get("/.well-known/jwks.json")).headers["vary"] == "Origin"


async def test_an_esp_client_gets_popular_items_over_its_limit_unless_told_otherwise(access: Access, make):
    for kind, on_limit, expected in [
        (ClientKind.ESP, None, "popular"), (ClientKind.ESP, "reject", "reject"),
        (ClientKind.SERVICE, None, "reject"), (ClientKind.SERVICE, "popular", "popular"),
    ]:  # fmt: skip
        client = await make(kind, (Scope.RECOMMEND,), on_limit=on_limit)
        assert access.directory.clients[client.client_id].on_limit == expected
