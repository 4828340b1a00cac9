"""Ugly requests over real HTTP: serving answers what is documented, never 5xx, and 4xx for content only with `strict=1`."""

import asyncio
import http.client
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from app.access import service as access
from app.access.domain import ClientKind, KeyKind, Scope
from app.access.schemas import NewClient, NewKey
from app.core.db import Database
from app.core.ids import DEFAULT_TENANT
from app.core.settings import Settings
from tests.e2e.serving import served
from tests.serving.shop import a_key, stock

GRID = "/v1/recommendations?placement=email-grid"
ORIGIN = "https://shop.example"


@dataclass
class Reply:
    """An answer as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Site:
    """A running server and credentials of several kinds."""

    address: str
    key: str
    url_key: str
    website_key: str

    def ask(self, target: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Reply:
        """Send a request byte by byte as given: no client library makes it nicer."""
        connection = http.client.HTTPConnection(urlsplit(self.address).netloc, timeout=20)
        connection._validate_path = lambda url: None  # type: ignore[attr-defined]
        connection.putrequest(method, target, skip_accept_encoding=True)
        sent = {"X-Api-Key": self.key, **{name.replace("_", "-"): value for name, value in headers.items()}}
        for name, value in sent.items():
            if value:
                connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        reply = Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        connection.close()
        return reply


@pytest.fixture
async def site(settings: Settings, db: Database) -> Iterator[Site]:
    """A server with popular items: models change nothing here."""
    await stock(db, settings, models=False)
    key = await a_key(db, settings, rate="1000000/minute")
    wanted = NewClient(name="Platform", kind=ClientKind.ESP, scopes=[Scope.RECOMMEND], rate_limit="1000000/minute")
    platform = await access.create_client(db, settings, DEFAULT_TENANT, wanted)
    url = await access.create_key(db, DEFAULT_TENANT, platform.client_id, NewKey(kind=KeyKind.URL, placements=["email-grid"]))
    wanted = NewClient(name="Site", kind=ClientKind.WEBSITE, scopes=[Scope.RECOMMEND, Scope.EVENTS], rate_limit="1000000/minute")
    website = await access.create_client(db, settings, DEFAULT_TENANT, wanted)
    web = await access.create_key(db, DEFAULT_TENANT, website.client_id, NewKey(kind=KeyKind.WEBSITE, origins=[ORIGIN]))
    with served(settings) as address:
        yield Site(address, key, url.key, web.key)


# name of the ugliness: the query that follows the placement, how many warnings, how many items
QUERIES: dict[str, tuple[str, int, int]] = {
    "nothing": ("", 0, 6),
    "60 KB of one value": ("&user_id=" + "a" * 60_000, 1, 6),
    "10,000 parameters": ("&" + "&".join(f"{n}=" for n in range(10_000)), 8, 6),
    "10,000 items left out": ("&exclude=" + ",".join(f"x{n}" for n in range(10_000)), 1, 6),
    "repeated names": ("&limit=2&limit=3&exclude=i1&exclude=i2", 0, 3),
    "only separators": ("&&&=&=x&", 0, 6),
    "broken escapes": ("&user_id=%zz%&locale=%", 2, 6),
    "no UTF-8": ("&user_id=%ff%fe%80&category=%c3", 1, 6),
    "NUL": ("&user_id=a%00b&send_id=%00&locale=%00", 1, 6),
    "lone surrogates": ("&user_id=%ed%a0%80&send_id=%ed%bf%bf", 0, 6),
    "right to left and emoji": ("&user_id=" + quote("שלום‮😀"), 0, 6),
    "minus limit": ("&limit=-1", 1, 6),
    "huge limit": ("&limit=" + "9" * 5_000, 1, 6),
    "limit above the most": ("&limit=51", 1, 6),
    "no whole limit": ("&limit=3.5", 1, 6),
    "limit in other digits": ("&limit=" + quote("٣"), 1, 6),
    "user id of 10,000 characters": ("&user_id=" + "u" * 10_000, 1, 6),
    "line breaks for a header": ("&locale=de%0d%0aX-Evil:%201&send_id=a%0d%0ab&user_id=%0d%0aX-Evil:1", 1, 6),
    "unknown format": ("&format=pdf", 1, 6),
    "a format with a path": ("&format=../../etc/passwd", 1, 6),
    "no hash": ("&email_sha256=me@example.com", 1, 6),
    "template tags": ("&user_id=" + quote("{{7*7}}%%[x]%%*|A|*"), 1, 6),
    "SQL": ("&category=" + quote("' or 1=1 --"), 1, 6),
}
BODIES: dict[str, tuple[bytes, str, int, int]] = {
    "JSON of another kind": (b'{"limit": 3}', "text/plain", 0, 3),
    "no kind at all": (b'{"limit": "3"}', "", 0, 3),
    "a form": (b"limit=3&user_id=%ff", "application/x-www-form-urlencoded; charset=utf-8", 0, 3),
    "a form said to be JSON": (b"limit=3", "application/json", 1, 6),
    "an array": (b"[1, 2]", "application/json", 1, 6),
    "a bare word": (b"null", "application/json", 1, 6),
    "deep arrays": (b"[" * 30_000, "application/json", 1, 6),
    "a deep value": (b'{"user_id": ' + b"[" * 1_000 + b"]" * 1_000 + b"}", "application/json", 0, 6),
    "a deep object": (b'{"user_id": ' + b'{"a":' * 1_000 + b"1" + b"}" * 1_000 + b"}", "application/json", 0, 6),
    "huge numbers": (b'{"limit": 99999999999999999999999999, "user_id": 1e999}', "application/json", 1, 6),
    "a float limit": (b'{"limit": 3.0}', "application/json", 0, 3),
    "lone surrogates": (b'{"user_id": "\\ud800"}', "application/json", 1, 6),
    "NUL": (b'{"user_id": "a\\u0000b", "exclude": ["\\u0000", null, true, {}]}', "application/json", 0, 6),
    "no UTF-8": (b'{"user_id": "\xff"}', "application/json", 1, 6),
    "a multipart form": (b"--x\r\n\r\n--x--", "multipart/form-data; boundary=x", 1, 6),
    "nothing": (b"  ", "application/json", 0, 6),
}


async def test_ugly_parameters_are_answered_and_told(site: Site) -> None:
    def check() -> Iterator[str]:
        for name, (query, warnings, items) in QUERIES.items():
            got = site.ask(GRID + query)
            if got.status != 200 or len(got.json["warnings"]) != warnings or got.json["item_count"] != items:
                yield f"{name}: {got.status} {got.body[:300]!r}"
            elif "x-evil" in got.headers or not got.body.isascii() or len(got.body) > 50_000:
                yield f"{name}: {got.headers}"
            if warnings and (strict := site.ask(GRID + query + "&strict=1")).status != 400:
                yield f"{name}, strict: {strict.status} {strict.body[:300]!r}"
        for name, (body, kind, warnings, items) in BODIES.items():
            got = site.ask(GRID, "POST", body, Content_Type=kind)
            if got.status != 200 or len(got.json["warnings"]) != warnings or got.json["item_count"] != items:
                yield f"body {name}: {got.status} {got.body[:300]!r}"
            if warnings and (strict := site.ask(GRID + "&strict=1", "POST", body, Content_Type=kind)).status != 400:
                yield f"body {name}, strict: {strict.status} {strict.body[:300]!r}"

    assert await asyncio.to_thread(lambda: list(check())) == []
    await asyncio.to_thread(_addresses_and_methods, site)
    await asyncio.to_thread(_raw_bytes, site)
    await asyncio.to_thread(_credentials, site)


def _addresses_and_methods(site: Site) -> None:
    for target in ("/v1/recommendations/", "//v1/recommendations", "/v1//recommendations", "/V1/recommendations", "/v1/snippets/",
                   "/v1/snippets/email-grid/", "/v1/snippets/a/b", "/v1/snippets/a%2Fb", "/v1/rank/", "/oauth/token/"):  # fmt: skip
        for method in ("GET", "POST"):
            got = site.ask(target, method, b"" if method == "POST" else None)
            assert (got.status, got.headers["content-type"]) == (404, "application/problem+json"), target
            assert got.json["code"] == "not_found"
    for target in (
        "/v1/snippets/%2e%2e",
        "/v1/snippets/%00",
        "/v1/snippets/%ff",
        "/v1/snippets/email-grid%253F",
        "/v1/snippets/" + "a" * 5000,
    ):
        got = site.ask(target)
        assert got.status == 200, target
        assert got.body.count(b"<a href=") == 24, "the default placement answers"
        assert site.ask(f"{target}?strict=1").status == 404, target
    for target, allowed in (("/v1/recommendations", {"GET", "HEAD", "POST"}), ("/v1/snippets/email-grid", {"GET", "HEAD"})):
        for method in ("PUT", "PATCH", "DELETE", "TRACE", "OPTIONS", "PROPFIND"):
            got = site.ask(target, method)
            assert (got.status, got.headers["content-type"], got.json["code"]) == (405, "application/problem+json", "method_not_allowed")
            assert got.headers["allow"]
        assert site.ask(target, "HEAD").status == 200
        assert site.ask(target, "HEAD").body == b""
        assert (site.ask(target, "POST", b"").status == 200) is ("POST" in allowed)
    # longer addresses never reach the application, also from a caller whose fields are remembered
    for length in (66_000, 100_000, 300_000):
        assert site.ask(f"{GRID}&user_id={'a' * length}").status == 431
    too_large = site.ask("/v1/recommendations", "POST", b'{"user_id": "' + b"a" * 1_000_000 + b'"}', Content_Type="application/json")
    assert (too_large.status, too_large.json["code"]) == (413, "too_large")
    # events answer as Segment does: its Node library sends anything but a 400 again
    for route, status in (("/v1/items/batch", 413), ("/v1/batch", 400)):
        too_large = site.ask(route, "POST", b'{"items": "' + b"a" * 8_400_000 + b'"}', Content_Type="application/json")
        assert (too_large.status, too_large.headers["content-type"]) == (status, "application/problem+json"), route
        assert too_large.json["code"] == "too_large", route
    get_with_type = site.ask(GRID, Content_Type="application/json", Accept="text/html")
    assert get_with_type.headers["content-type"] == "application/json; charset=utf-8", "the address chooses the format, not Accept"


def _raw_bytes(site: Site) -> None:
    """What no client library would send."""
    key = site.key.encode()
    requests = {
        b"GET /v1/recommendations?placement=email-grid&user_id=\xff\xfe HTTP/1.1\r\nHost: a\r\nX-Api-Key: " + key: {200, 400},
        b"GET /v1/snippets/\xff\xfe HTTP/1.1\r\nHost: a\r\nX-Api-Key: " + key: {200, 400},
        b"GET /v1/recommendations HTTP/1.1\r\nHost: a\r\nX-Api-Key: \xff\xfe": {401},
        b"GET /v1/recommendations HTTP/1.1\r\nHost: a\r\nAuthorization: Basic \xff\xfe": {401},
        b"GET /v1/recommendations HTTP/1.1\r\nHost: a\r\nX-Api-Key: " + key + b"\r\nOrigin: \xff": {200},
        b"POST /v1/recommendations HTTP/1.1\r\nHost: a\r\nContent-Type: \xff\r\nContent-Length: 2\r\nX-Api-Key: " + key + b"\r\n\r\n{}": {
            200
        },
        b"GET http://b/v1/recommendations HTTP/1.1\r\nHost: \xff\r\nX-Api-Key: " + key: {400},
        b"GET http://b/v1/recommendations HTTP/1.1\r\nHost: a\r\nX-Api-Key: " + key: {200},
        b"GET * HTTP/1.1\r\nHost: a": {400, 404},
        b"BREW /v1/recommendations HTTP/1.1\r\nHost: a": {400},
        b"GET /v1/recommendations HTTP/1.1\r\nHost: a\r\nX: a\x00b": {400},
    }
    for request, expected in requests.items():
        with socket.create_connection(urlsplit(site.address).netloc.split(":"), timeout=20) as wire:  # type: ignore[arg-type]
            wire.sendall(request + (b"" if b"\r\n\r\n" in request else b"\r\nConnection: close\r\n\r\n"))
            status = int(wire.recv(65_536).split()[1])
        assert status in expected, (request[:60], status)


def _credentials(site: Site) -> None:
    anonymous = {"X_Api_Key": ""}
    site.key, kept = "", site.key

    def status(target: str, **headers: str) -> tuple[int, str]:
        got = site.ask(target, **headers)
        return got.status, got.json.get("code", "")

    assert status(GRID) == (401, "unauthorized")
    assert status(f"{GRID}&key={kept}") == (401, "unauthorized"), "an API key may not stand in an address"
    assert status(f"{GRID}&key=%00") == (401, "unauthorized")
    assert status(f"{GRID}&key={'a' * 60_000}") == (401, "unauthorized")
    assert status(f"{GRID}&key={site.url_key}") == (200, "")
    assert status(f"/v1/recommendations?placement=email-hero&key={site.url_key}") == (403, "forbidden")
    assert status(f"/v1/recommendations?key={site.url_key}") == (403, "forbidden")
    assert status(f"{GRID}&explain=1&key={site.url_key}") == (403, "forbidden")
    assert status("/v1/admin/clients?key=" + site.url_key)[0] == 403
    assert status(f"{GRID}&key={site.website_key}") == (403, "forbidden"), "no Origin"
    assert status(f"{GRID}&key={site.website_key}", Origin="https://evil.example") == (403, "forbidden")
    assert status(f"{GRID}&key={site.website_key}", Origin="null") == (403, "forbidden")
    assert status(f"{GRID}&key={site.website_key}", Referer=f"{ORIGIN}/page") == (200, "")
    own = site.ask(f"{GRID}&user_id=u1&key={site.website_key}", Origin=ORIGIN)
    assert (own.status, own.json["user_id"], own.json["fallback_reason"]) == (200, "", "no_user")
    assert len(own.json["warnings"]) == 1
    assert own.headers["access-control-allow-origin"] == ORIGIN
    assert status(GRID, Authorization="Basic " + "A" * 50_000) == (401, "unauthorized")
    assert status(GRID, Authorization="Bearer " + "A." * 20_000) == (401, "unauthorized")
    assert status(GRID, Authorization="Digest x") == (401, "unauthorized")
    assert site.ask(GRID, "HEAD", **anonymous).body == b""
    site.key = kept
