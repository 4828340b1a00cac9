"""OAuth routes, as a client library and as a careless caller see them."""

import asyncio
import base64
import socket
from collections.abc import AsyncIterator

import httpx
import pytest
import uvicorn
from authlib.integrations.httpx_client import AsyncOAuth2Client
from fastapi import FastAPI
from joserfc import jwt as independent_jwt
from joserfc.jwk import KeySet

from app.access.domain import ClientKind, Scope
from app.access.runtime import Access
from app.access.tokens.rotation import rotate
from app.core.db import Database
from app.core.settings import Settings

GRANT = {"grant_type": "client_credentials"}


@pytest.fixture
async def address(app: FastAPI) -> AsyncIterator[str]:
    """The app behind a real server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", lifespan="off"))
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn tells it no other way
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await running


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_an_independent_oauth_client_gets_a_token_and_calls(address, make, method):
    client = await make()
    async with AsyncOAuth2Client(client.client_id, client.client_secret, token_endpoint_auth_method=method) as oauth:
        token = await oauth.fetch_token(f"{address}/oauth/token", grant_type="client_credentials", scope="catalog")
        assert (token["token_type"], token["scope"], token["expires_in"]) == ("Bearer", "catalog", 16200)
        answer = await oauth.get(f"{address}/v1/catalogue")
        assert answer.status_code == 200
        assert answer.json() == {"client_id": client.client_id, "tenant": 1}
        assert (await oauth.get(f"{address}/v1/recommendations")).status_code == 403


async def test_an_independent_library_verifies_a_token_with_the_published_keys(http, make, token):
    text = await token(await make())
    keys = KeySet.import_key_set((await http.get("/.well-known/jwks.json")).json())
    read = independent_jwt.decode(text, keys, algorithms=["RS256"])
    assert read.claims["iss"] == "morsel"
    assert read.claims["tenant"] == 1


async def test_a_library_understands_the_refusal(address, make):
    client = await make()
    async with AsyncOAuth2Client(client.client_id, "wrong") as oauth:
        with pytest.raises(Exception, match="invalid_client"):
            await oauth.fetch_token(f"{address}/oauth/token", grant_type="client_credentials")


async def test_the_token_answer_is_never_stored_and_can_be_bare_text(http, make):
    client = await make()
    auth = (client.client_id, client.client_secret)
    for where in ({"params": {"format": "text"}, "data": GRANT}, {"data": {**GRANT, "format": "text"}}):
        answer = await http.post("/oauth/token", auth=auth, **where)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-type"].startswith("text/plain")
        assert answer.text.count(".") == 2


def _basic(text: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


@pytest.mark.parametrize(
    ("form", "headers", "status", "error"),
    [
        ({"scope": "catalog"}, {}, 401, "invalid_client"),
        (GRANT, {}, 401, "invalid_client"),
        (GRANT, _basic("nobody:secret"), 401, "invalid_client"),
        (GRANT, {"Authorization": "Basic %%%"}, 401, "invalid_client"),
        (GRANT, {"Authorization": "Basic " + base64.b64encode(b"\xff\xfe:x").decode()}, 401, "invalid_client"),
        (GRANT, {"Authorization": "Digest abc"}, 401, "invalid_client"),
        ({**GRANT, "client_id": "a", "client_secret": "b"}, _basic("a:b"), 400, "invalid_request"),
        ({**GRANT, "client_id": "a"}, _basic("b:c"), 400, "invalid_request"),
        ({"grant_type": "password", "client_id": "ID", "client_secret": "SECRET"}, {}, 400, "unsupported_grant_type"),
        ({"client_id": "ID", "client_secret": "SECRET"}, {}, 400, "invalid_request"),
        ({**GRANT, "scope": "admin", "client_id": "ID", "client_secret": "SECRET"}, {}, 400, "invalid_scope"),
        ({**GRANT, "scope": "nonsense", "client_id": "ID", "client_secret": "SECRET"}, {}, 400, "invalid_scope"),
        ({**GRANT, "scope": " ", "client_id": "ID", "client_secret": "SECRET"}, {}, 400, "invalid_scope"),
        ({**GRANT, "client_id": "ID", "client_secret": ""}, {}, 401, "invalid_client"),
    ],
)
async def test_a_bad_token_request_gets_the_error_of_the_standard(http, make, form, headers, status, error):
    client = await make()
    real = {"ID": client.client_id, "SECRET": client.client_secret}
    answer = await http.post("/oauth/token", data={k: real.get(v, v) for k, v in form.items()}, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["error"] == error
    assert answer.json()["status"] == status
    assert ("www-authenticate" in answer.headers) == (status == 401)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"grant_type=client_credentials&grant_type=client_credentials", "application/x-www-form-urlencoded", 400),
        (b'{"grant_type":"client_credentials"}', "application/json", 400),
        (b"a=%ff%fe", "application/x-www-form-urlencoded", 400),
        (b"\xff\xfe=1", "application/x-www-form-urlencoded", 400),
        (b"&".join(b"a%d=1" % n for n in range(50)), "application/x-www-form-urlencoded", 400),
        (b"a=" + b"x" * 20_000, "application/x-www-form-urlencoded", 413),
        (b"", "", 400),
    ],
)
async def test_a_body_that_is_no_form_is_refused(http, body, kind, status):
    answer = await http.post("/oauth/token", content=body, headers={"Content-Type": kind})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_public_client_gets_no_secret_and_no_token(http, make):
    client = await make(ClientKind.WEBSITE, (Scope.RECOMMEND,))
    assert client.client_secret is None
    answer = await http.post("/oauth/token", data={**GRANT, "client_id": client.client_id, "client_secret": ""})
    assert answer.status_code == 401


async def test_a_client_that_another_process_created_gets_its_token_at_once(http, access: Access, db, settings, tenant):
    from app.access import service
    from app.access.schemas import NewClient

    client = await service.create_client(db, settings, tenant, NewClient(name="new", scopes=[Scope.CATALOG]))
    assert client.client_id not in access.directory.clients
    answer = await http.post("/oauth/token", data=GRANT, auth=(client.client_id, client.client_secret))
    assert answer.status_code == 200


async def test_a_client_asking_for_tokens_in_a_loop_is_held_back(http, make):
    client = await make()
    answers = [await http.post("/oauth/token", data=GRANT, auth=(client.client_id, client.client_secret)) for _ in range(130)]
    refused = [a for a in answers if a.status_code == 429]
    assert 10 <= len(refused) <= 70
    assert refused[0].headers["retry-after"] == "60"
    assert refused[0].json()["code"] == "rate_limited"


async def test_tokens_are_issued_and_believed_without_a_database(http, access: Access, make):
    client = await make()
    access.db = None
    answer = await http.post("/oauth/token", data=GRANT, auth=(client.client_id, client.client_secret))
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert (await http.get("/v1/catalogue", headers=headers)).status_code == 200
    revoked = await http.post("/oauth/revoke", data={"token": answer.json()["access_token"]}, auth=(client.client_id, client.client_secret))
    assert revoked.status_code == 503


async def test_a_revoked_token_is_refused_and_others_live_on(http, make, token):
    client = await make()
    first, second = await token(client), await token(client)
    for text in (first, second):
        assert (await http.get("/v1/catalogue", headers={"Authorization": f"Bearer {text}"})).status_code == 200
    auth = (client.client_id, client.client_secret)
    for _ in range(2):
        answer = await http.post("/oauth/revoke", data={"token": first}, auth=auth)
        assert (answer.status_code, answer.json()) == (200, {"status": "done"})
    assert (await http.get("/v1/catalogue", headers={"Authorization": f"Bearer {first}"})).status_code == 401
    assert (await http.get("/v1/catalogue", headers={"Authorization": f"Bearer {second}"})).status_code == 200
    assert (await http.post("/oauth/revoke", data={"token": "nonsense"}, auth=auth)).status_code == 200
    assert (await http.post("/oauth/revoke", data={}, auth=auth)).status_code == 400


async def test_a_client_cannot_revoke_the_token_of_another(http, make, token):
    owner, other = await make(), await make()
    text = await token(owner)
    answer = await http.post("/oauth/revoke", data={"token": text}, auth=(other.client_id, other.client_secret))
    assert answer.status_code == 400
    assert answer.json()["error"] == "unauthorized_client"
    assert (await http.get("/v1/catalogue", headers={"Authorization": f"Bearer {text}"})).status_code == 200


async def test_the_metadata_names_the_routes_and_survives_any_host(http):
    found = (await http.get("/.well-known/oauth-authorization-server")).json()
    assert found["token_endpoint"] == "http://morsel.test/oauth/token"
    assert found["grant_types_supported"] == ["client_credentials"]
    for host in ("[", "a b", "x:y:z", "[::1", "é".encode().decode("latin-1")):
        answer = await http.get("/.well-known/oauth-authorization-server", headers={b"Host": host.encode("latin-1")})
        assert answer.status_code == 200


async def test_rotation_keeps_old_tokens_valid_and_signs_with_the_new_key(
    http, access: Access, db: Database, settings: Settings, make, token
):
    client = await make()
    old = await token(client)
    made = await rotate(db, settings, 1)
    await db.run("update signing_key set active_from = now() where kid = :kid", kid=made.kid)
    await db.run("update signing_key set retired_at = now() where purpose = 'token' and kid <> :kid", kid=made.kid)
    await access.refresh()
    new = await token(client)
    published = [key["kid"] for key in (await http.get("/.well-known/jwks.json")).json()["keys"]]
    assert published[0] == made.kid
    assert len(published) == 2
    for text in (old, new):
        assert (await http.get("/v1/catalogue", headers={"Authorization": f"Bearer {text}"})).status_code == 200
    assert access.authenticator.verify(new.encode()).kid == made.kid
    # a day later nobody can hold a token of the old key
    await db.run(
        "update signing_key set retired_at = now() - interval '86401 seconds' where kid <> :kid and purpose = 'token'", kid=made.kid
    )
    await access.refresh()
    assert [key["kid"] for key in (await http.get("/.well-known/jwks.json")).json()["keys"]] == [made.kid]
    assert (await http.get("/v1/catalogue", headers={"Authorization": f"Bearer {old}"})).status_code == 401
    assert (await http.get("/v1/catalogue", headers={"Authorization": f"Bearer {new}"})).status_code == 200


async def test_a_new_key_waits_until_every_server_has_read_it(access: Access, db, settings, make, token):
    client = await make()
    before = access.authenticator.verify((await token(client)).encode()).kid
    made = await rotate(db, settings, 1)
    await access.refresh()
    assert made.kid in access.directory.signing_keys
    assert access.authenticator.verify((await token(client)).encode()).kid == before


async def test_a_compromised_key_is_dropped_at_once(http, access: Access, db, settings, make, token):
    old = await token(await make())
    assert (await http.get("/v1/catalogue", headers={"Authorization": f"Bearer {old}"})).status_code == 200
    made = await rotate(db, settings, 1, compromised=True)
    await access.refresh()
    assert (await http.get("/v1/catalogue", headers={"Authorization": f"Bearer {old}"})).status_code == 401
    assert [key["kid"] for key in (await http.get("/.well-known/jwks.json")).json()["keys"]] == [made.kid]


async def test_links_are_believed_after_a_rotation(access: Access, db, settings):
    before = access.link_keys(1)
    made = await rotate(db, settings, 1, "link")
    await db.run("update signing_key set active_from = now() where kid = :kid", kid=made.kid)
    await access.refresh()
    after = access.link_keys(1)
    assert after.kid == made.kid
    assert len(after.secret) == 32
    assert after.believed[before.kid] == before.secret


async def test_a_link_key_takes_over_at_its_moment_without_a_database(access: Access, db, settings, monkeypatch):
    import time

    before = access.link_keys(1)
    made = await rotate(db, settings, 1, "link")
    await access.refresh()
    assert access.link_keys(1).kid == before.kid
    assert made.kid in access.link_keys(1).believed
    moment = made.active_from.timestamp() + 1
    monkeypatch.setattr(time, "time", lambda: moment)
    assert access.link_keys(1).kid == made.kid


async def test_another_master_secret_makes_new_keys_instead_of_failing(access: Access, db, settings: Settings, make):
    from app.access.runtime import Access as Gate
    from app.access.tokens.rotation import load_directory

    client = await make()
    changed = settings.model_copy(update={"secret": type(settings.secret)("x" * 40)})
    other = Gate(changed, db, access.limiter, await load_directory(db, changed))
    text = await other.issue(other.directory.clients[client.client_id], frozenset({Scope.CATALOG}))
    assert other.authenticator.verify(text.encode()).client_id == client.client_id


async def test_processes_that_start_together_make_one_key(db, settings):
    from app.access.tokens.rotation import load_directory

    found = await asyncio.gather(*(load_directory(db, settings) for _ in range(4)))
    kids = {tuple(sorted(d.signing_keys)) for d in found}
    assert len(kids) == 1
    assert len(kids.pop()) == 2


async def test_no_secret_is_stored(db, make, token, http: httpx.AsyncClient):
    client = await make()
    text = await token(client)
    rows = await db.rows("select c::text from client c union all select s::text from signing_key s")
    stored = "".join(row[0] for row in rows)
    assert client.client_secret not in stored
    assert text not in stored
    assert "PRIVATE" not in stored
