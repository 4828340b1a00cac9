"""API keys: every kind, the ways it may be sent, and what binds it."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest

from app.access import service
from app.access.authenticator import Authenticator
from app.access.directory import AccessDirectory
from app.access.domain import ClientKind, KeyKind, RuleBroken, Scope, held, origin
from app.access.runtime import Access
from app.access.schemas import NewClient, NewKey
from app.core.db import Database
from app.core.errors import Forbidden, Invalid, NotFound, Unauthorized
from app.core.settings import Settings

ALL = (Scope.RECOMMEND, Scope.EVENTS, Scope.CATALOG)
SHOP = "https://shop.example"


def sent(key: str, how: str) -> list[tuple[bytes, bytes]]:
    """Return headers that carry a key."""
    if how == "header":
        return [(b"x-api-key", key.encode())]
    return [(b"authorization", b"Basic " + base64.b64encode(f"{key}:".encode()))]


@pytest.fixture
def key(access: Access, db, make):
    """Create a key of a new client with the scopes recommend, events and catalog."""

    async def create(kind: KeyKind, client_kind: ClientKind = ClientKind.SERVICE, client: dict | None = None, **more) -> str:
        scopes = (Scope.RECOMMEND, Scope.EVENTS) if client_kind in (ClientKind.WEBSITE, ClientKind.APP) else ALL
        owner = await make(client_kind, scopes, **(client or {}))
        made = await service.create_key(db, 1, owner.client_id, NewKey(kind=kind, **more))
        await access.refresh()
        return made.key

    return create


@pytest.mark.parametrize("how", ["header", "basic"])
async def test_a_key_of_each_kind_carries_its_own_scopes(access: Access, key, how):
    browser = [(b"origin", SHOP.encode())]
    found = {
        kind: access.authenticator.authenticate(sent(await key(kind, **more), how) + browser).scopes
        for kind, more in {
            KeyKind.API: {},
            KeyKind.URL: {"placements": ["email-hero"]},
            KeyKind.WRITE: {},
            KeyKind.WEBSITE: {"origins": [SHOP]},
        }.items()
    }
    assert found == {
        KeyKind.API: set(ALL),
        KeyKind.URL: {Scope.RECOMMEND},
        KeyKind.WRITE: {Scope.EVENTS},
        KeyKind.WEBSITE: {Scope.RECOMMEND, Scope.EVENTS},
    }


async def test_only_url_and_website_keys_may_stand_in_an_address(access: Access, key):
    shown = await key(KeyKind.URL, placements=["email-hero"])
    assert access.authenticator.authenticate([], shown).key_kind is KeyKind.URL
    for kind in (KeyKind.API, KeyKind.WRITE):
        with pytest.raises(Unauthorized):
            access.authenticator.authenticate([], await key(kind))


async def test_a_write_key_in_a_body_is_only_a_write_key(access: Access, key):
    assert access.authenticator.by_write_key(await key(KeyKind.WRITE)).scopes == {Scope.EVENTS}
    for wrong in (await key(KeyKind.API), "mk_write_x", "", None, 7, ["mk_"], "\ud800"):
        with pytest.raises(Unauthorized):
            access.authenticator.by_write_key(wrong)


async def test_a_url_key_shows_only_its_placements(access: Access, key):
    caller = access.authenticator.authenticate([], await key(KeyKind.URL, placements=["email-hero"]))
    assert caller.may_show("email-hero")
    assert not caller.may_show("home-popular")
    bound = access.authenticator.authenticate(sent(await key(KeyKind.API, client={"placements": ["pdp-similar"]}), "header"))
    assert bound.may_show("pdp-similar")
    assert not bound.may_show("email-hero")


ORIGINS = [
    ([(b"origin", b"https://shop.example")], True),
    ([(b"origin", b"HTTPS://Shop.Example:443")], True),
    ([(b"referer", b"https://shop.example/page?x=1")], True),
    ([(b"referer", b"https://shop.example?x=1")], True),
    ([], False),
    ([(b"origin", b"null")], False),
    ([(b"origin", b"http://shop.example")], False),
    ([(b"origin", b"https://shop.example.evil.example")], False),
    ([(b"origin", b"https://shop.example@evil.example")], False),
    ([(b"origin", b"https://shop.example:8443")], False),
    ([(b"origin", b"https://evil.example"), (b"referer", b"https://shop.example/")], False),
    ([(b"origin", b"\xff\xfe")], False),
    ([(b"origin", b"https://[")], False),
]


async def test_a_website_key_works_only_from_its_origins(access: Access, key):
    shown = await key(KeyKind.WEBSITE, ClientKind.WEBSITE, origins=[SHOP])
    for headers, welcome in ORIGINS:
        if welcome:
            assert access.authenticator.authenticate(headers, shown).public
        else:
            with pytest.raises(Forbidden):
                access.authenticator.authenticate(headers, shown)


async def test_public_callers_are_told_apart(access: Access, key):
    app_key = await key(KeyKind.API, ClientKind.APP)
    assert access.authenticator.authenticate(sent(app_key, "header")).public
    assert not access.authenticator.authenticate(sent(await key(KeyKind.API), "header")).public


async def test_an_expired_or_revoked_key_is_refused(access: Access, db, key, monkeypatch):
    text = await key(KeyKind.API, expires_at=datetime.now(UTC) + timedelta(hours=1))
    assert access.authenticator.authenticate(sent(text, "header"))
    later = Authenticator("morsel", access.directory)
    import time

    real = time.time
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: real() + 3601)
        with pytest.raises(Unauthorized):
            later.authenticate(sent(text, "header"))
    number = (await db.rows("select key_no from api_key"))[0][0]
    await service.revoke_key(db, 1, number)
    await access.refresh()
    with pytest.raises(Unauthorized):
        access.authenticator.authenticate(sent(text, "header"))
    with pytest.raises(NotFound):
        await service.revoke_key(db, 1, number)


async def test_keys_die_with_their_client(access: Access, db, key):
    text = await key(KeyKind.API)
    owner = access.authenticator.authenticate(sent(text, "header"))
    await service.revoke_client(db, 1, owner.client_id)
    await access.refresh()
    with pytest.raises(Unauthorized):
        access.authenticator.authenticate(sent(text, "header"))


async def test_a_key_with_a_password_or_two_headers_is_refused(access: Access, key):
    text = await key(KeyKind.API)
    basic = b"Basic " + base64.b64encode(f"{text}:password".encode())
    good = sent(text, "basic")
    for headers in ([(b"authorization", basic)], [*good, *good], [(b"authorization", b"Bearer " + text.encode())]):
        with pytest.raises(Unauthorized):
            access.authenticator.authenticate(headers)


BROKEN_KEYS = [
    {"kind": "url"},
    {"kind": "website"},
    {"kind": "website", "origins": ["*"]},
    {"kind": "website", "origins": ["https://*.example"]},
    {"kind": "website", "origins": ["https://shop.example/path"]},
    {"kind": "website", "origins": ["javascript:alert(1)"]},
    {"kind": "website", "origins": ["https://[::1"]},
    {"kind": "write", "scopes": ["recommend"]},
    {"kind": "api", "scopes": ["admin"]},
    {"kind": "api", "scopes": []},
    {"kind": "api", "expires_at": "2020-01-01T00:00:00Z"},
    {"kind": "api", "expires_at": "9999-12-31T23:59:59-12:00"},
]


async def test_a_key_that_breaks_a_rule_is_not_made(db, make):
    owner = await make(scopes=ALL)
    for wanted in BROKEN_KEYS:
        with pytest.raises(Invalid):
            await service.create_key(db, 1, owner.client_id, NewKey(**wanted))
    assert not await db.rows("select 1 from api_key")


async def test_a_key_reaches_no_further_than_its_client(db, make):
    owner = await make(scopes=ALL, placements=["email-hero"], origins=[SHOP])
    with pytest.raises(Invalid):
        await service.create_key(db, 1, owner.client_id, NewKey(kind="url", placements=["home-popular"]))
    with pytest.raises(Invalid):
        await service.create_key(db, 1, owner.client_id, NewKey(kind="website", origins=["https://other.example"]))
    made = await service.create_key(db, 1, owner.client_id, NewKey(kind="url"))
    assert made.placements == ["email-hero"]


@pytest.mark.parametrize(
    "wanted", [{"kind": "website", "scopes": ["catalog"]}, {"kind": "app", "scopes": ["admin"]}, {"rate_limit": "many"}]
)
async def test_a_client_that_breaks_a_rule_is_not_made(db, settings, wanted):
    with pytest.raises(Invalid):
        await service.create_client(db, settings, 1, NewClient(**{"name": "x", "scopes": ["recommend"], **wanted}))


def test_admin_holds_all_and_admin_read_holds_reading():
    assert all(held({Scope.ADMIN}, scope) for scope in Scope)
    assert held({Scope.ADMIN_READ}, Scope.CATALOG, reading=True)
    assert not held({Scope.ADMIN_READ}, Scope.CATALOG)
    assert not held({Scope.ADMIN_READ}, Scope.ADMIN)
    assert not held({Scope.ADMIN_READ}, Scope.RECOMMEND, reading=True)
    assert not held(set(), Scope.RECOMMEND, reading=True)


@pytest.mark.parametrize("text", ["https://Shop.Example/", "https://shop.example:443", " https://shop.example "])
def test_an_origin_has_one_spelling(text):
    assert origin(text) == SHOP


def test_an_address_with_a_port_out_of_range_is_no_origin():
    with pytest.raises(RuleBroken):
        origin("https://shop.example:99999")


async def test_the_directory_survives_a_trip_through_json(access: Access, key, make, token, settings: Settings):
    client = await make(placements=["email-hero"])
    bearer = [(b"authorization", b"Bearer " + (await token(client)).encode())]
    url, web = await key(KeyKind.URL, placements=["email-hero"]), await key(KeyKind.WEBSITE, origins=[SHOP])
    document = json.loads(json.dumps(access.directory.to_document()))
    again = AccessDirectory.from_document(document)
    assert again == access.directory
    assert again.to_document() == document
    assert "PRIVATE" not in json.dumps(document)
    assert url not in json.dumps(document)
    cold = Access(settings, None, access.limiter, again)
    for call in ((bearer,), ([], url), ([(b"origin", SHOP.encode())], web)):
        assert cold.authenticator.authenticate(*call) == access.authenticator.authenticate(*call)
    assert cold.link_keys(1) == access.link_keys(1)
    text = await cold.issue(again.clients[client.client_id], frozenset({Scope.CATALOG}))
    assert access.authenticator.verify(text.encode()).client_id == client.client_id


@pytest.mark.parametrize("damage", [{"format": 2}, {"clients": [{"x": 1}]}, {"keys": None}, {"signing_keys": [{"sealed": "%"}]}])
async def test_a_damaged_document_is_refused(access: Access, make, damage):
    await make()
    with pytest.raises(ValueError):
        AccessDirectory.from_document({**access.directory.to_document(), **damage})


@pytest.mark.parametrize(
    ("host", "secret", "fine"),
    [("127.0.0.1", "", True), ("::1", "", True), ("localhost", "", True), ("0.0.0.0", "", False), ("", "", False),
     ("192.0.2.1", "", False), ("shop.example", "", False), ("0.0.0.0", "x" * 40, True)],
)  # fmt: skip
def test_a_server_that_others_reach_needs_a_secret_of_its_own(host, secret, fine):
    settings = Settings(host=host, secret=secret)
    if fine:
        service.check_exposure(settings)
    else:
        with pytest.raises(service.Exposed, match="MORSEL_SECRET"):
            service.check_exposure(settings)


async def test_a_client_whose_key_cannot_be_made_is_not_made_either(db: Database, settings: Settings) -> None:
    wanted = NewClient(name="site", kind=ClientKind.WEBSITE, scopes=[Scope.EVENTS])
    with pytest.raises(Invalid, match="bound to origins"):
        await service.create_client_with_key(db, settings, 1, wanted, NewKey(kind=KeyKind.WEBSITE))
    assert (await service.list_clients(db, settings, 1))[0] == []
    wanted = NewClient(name="site", kind=ClientKind.WEBSITE, scopes=[Scope.EVENTS], origins=["https://shop.example"])
    client, key = await service.create_client_with_key(
        db, settings, 1, wanted, NewKey(kind=KeyKind.WEBSITE, origins=["https://shop.example"])
    )
    assert key.client_id == client.client_id
