"""The short way from the socket, the door in front of the framework and the documented routes answer alike."""

import asyncio
import json
import random
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from app.access.directory import AccessDirectory
from app.access.domain import KeyKind, Scope
from app.serving.edge.protocol import ServingProtocol
from tests.serving.shop import Shop

Reply = tuple[int, dict[str, str], bytes]
_LINK = re.compile(rb"/c/[A-Za-z0-9_-]+")
_OWN = {"server-timing", "date", "connection"}

VALUES: dict[str, list[str]] = {
    "placement": [
        "email-hero",
        "email-grid",
        "pdp-similar",
        "cart-complement",
        "home-popular",
        "never-made",
        "",
        "GRID",
        "a" * 600,
        "email-grid?user_id=u1",
    ],
    "user_id": [
        "u1",
        "u7",
        "u150",
        "nobody",
        "",
        "  ",
        "Jürgen",
        "<b>",
        "a b",
        "u1,u2",
        "x" * 600,
        "\x00",
        "😀",
        "undefined",
        "{{${user_id}}}",
        "%%key%%",
    ],
    "anonymous_id": ["a1", ""],
    "email_sha256": ["0" * 64, "Z" * 64, "short"],
    "limit": ["1", "6", "50", "51", "0", "-1", "six", "٣", ""],
    "item_id": ["i1", "i1,i2,i3", "gone", ",,", "i" * 600],
    "exclude": ["i1,i2", "", "%"],
    "category": ["Hats", "Shoes", "Nothing", "H&M"],
    "locale": ["de", "en-GB", "xx-", "../etc"],
    "format": ["json", "html", "text", "xml", ""],
    "escape": ["html", "none", "maybe"],
    "empty": ["blank", "fallback"],
    "explain": ["1", "0", "yes"],
    "strict": ["1", "0", "true"],
    "unheard_of": ["1"],
    "userid": ["u1"],
    "utm_source": ["mail"],
    "key": ["mk_url_wrong"],
}


class Socket(asyncio.Transport):
    """A transport whose other end is a test."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.answered = asyncio.Event()

    def write(self, data: Any) -> None:
        self.sent += data
        head, _, body = self.sent.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        if length and len(body) >= int(length[1]):
            self.answered.set()

    def is_closing(self) -> bool:
        return False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def pause_reading(self) -> None:
        """Nothing is read by itself here."""

    resume_reading = pause_reading

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        """Stay open: the answer is still to be looked at."""


async def over_the_wire(shop: Shop, target: str, headers: dict[str, str], *, pieces: int = 1) -> tuple[Reply, bool]:
    """Ask as a socket would, in so many pieces; also tell whether the call went the short way."""
    config = Config(shop.app, access_log=False, log_level="error", proxy_headers=False)
    connection, socket = ServingProtocol(config, ServerState(), {}, asyncio.get_running_loop()), Socket()
    connection.connection_made(socket)
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = f"GET {target} HTTP/1.1\r\nhost: test\r\n{fields}\r\n".encode()
    size = -(-len(request) // pieces)
    for first in range(0, len(request), size):
        connection.data_received(request[first : first + size])
    short = connection.cycle is None
    async with asyncio.timeout(10):
        await socket.answered.wait()
    if connection.timeout_keep_alive_task is not None:
        connection.timeout_keep_alive_task.cancel()
    head, _, body = socket.sent.partition(b"\r\n\r\n")
    first_line, *lines = head.decode("latin-1").split("\r\n")
    return (int(first_line.split()[1]), dict(line.split(": ", 1) for line in lines), body), short


async def documented(shop: Shop, target: str, headers: dict[str, str]) -> Reply:
    """Ask the routes of the OpenAPI document, with nothing in front of them."""
    hot, shop.app.hot = shop.app.hot, None
    try:
        answer = await shop.http.get(httpx2.URL(f"http://test{target}"), headers=headers)
    finally:
        shop.app.hot = hot
    return answer.status_code, dict(answer.headers), answer.content


def plain(reply: Reply) -> tuple[int, dict[str, str], Any]:
    """Return what must be equal: all but moments, the ids of serves, and the links that carry them."""
    status, headers, body = reply
    kept = {name.lower(): value for name, value in headers.items() if name.lower() not in _OWN}
    kept["server-timing"] = ", ".join(part.split(";")[0] for part in headers.get("server-timing", "").split(", "))
    body = _LINK.sub(b"/c/LINK", body)
    kept.pop("content-length", None)
    if headers["content-type"].startswith("application/json"):
        document = json.loads(body)
        for name in ("recommendation_id", "generated_at"):
            assert document.pop(name, None), name
        return status, kept, json.dumps(document)
    return status, kept, body


def targets(count: int, seed: int) -> list[str]:
    """Return addresses of generated calls."""
    draw = random.Random(seed)
    made = []
    for _ in range(count):
        chosen = {
            name: draw.choice(values)
            for name, values in VALUES.items()
            if draw.random() < (0.9 if name in ("user_id", "placement") else 0.18)
        }
        pairs = list(chosen.items())
        if draw.random() < 0.1:
            pairs.append(draw.choice(pairs) if pairs else ("user_id", "u1"))
        draw.shuffle(pairs)
        spelled = "&".join(f"{name}={quote(value)}" for name, value in pairs)
        name = chosen.get("placement") or "email-grid"
        path = f"/v1/snippets/{quote(name[:64], safe='')}" if draw.random() < 0.3 else "/v1/recommendations"
        made.append(f"{path}?{spelled}")
    return made


async def test_the_short_way_and_the_documented_routes_answer_alike(shop: Shop) -> None:
    headers = {"x-api-key": shop.key}

    async def settled() -> bool:
        return bool((await shop.get(placement="email-grid", user_id="u1")).json()["source"] == "cached")

    assert await shop.until(settled)
    taken, statuses = 0, set()
    for target in targets(250, seed=11):
        await documented(shop, target, headers)  # lists and cards are made on first use
        expected = plain(await documented(shop, target, headers))
        reply, short = await over_the_wire(shop, target, headers)
        assert plain(reply) == expected, target
        taken += short
        statuses.add(reply[0])
    assert taken > 150, "most calls go the short way"
    assert {200, 400, 404} <= statuses


async def same(shop: Shop, ask: Callable[[], Awaitable[tuple[Reply, bool]]], target: str, headers: dict[str, str], *, short: bool) -> None:
    reply, taken = await ask()
    assert taken is short
    assert plain(reply) == plain(await documented(shop, target, headers))


async def test_refusals_are_the_same_on_both_ways(shop: Shop) -> None:
    target = "/v1/recommendations?placement=home-popular"
    for headers in (
        {},
        {"x-api-key": "mk_api_unknown"},
        {"authorization": "Bearer a.b.c"},
        {"authorization": "Basic !!!"},
        {"authorization": "Digest x"},
        {"x-api-key": shop.key, "origin": "https://elsewhere.example"},
    ):
        await same(shop, lambda h=headers: over_the_wire(shop, target, h), target, headers, short=True)


async def test_what_the_short_way_does_not_take_goes_the_long_way(shop: Shop) -> None:
    target, headers = "/v1/recommendations?placement=home-popular", {"x-api-key": shop.key}
    await same(shop, lambda: over_the_wire(shop, target, headers, pieces=3), target, headers, short=False)
    for more in ({"content-length": "0"}, {"connection": "close"}, {"expect": "100-continue"}):
        await same(shop, lambda m=more: over_the_wire(shop, target, {**headers, **m}), target, headers, short=False)
    await same(shop, lambda: over_the_wire(shop, "/v1/recommendations", headers), "/v1/recommendations", headers, short=False)


async def over_both(shop: Shop, target: str, headers: dict[str, str]) -> tuple[int, int]:
    """Return the statuses of one call, by the short way and by the documented route."""
    return (await over_the_wire(shop, target, headers))[0][0], (await documented(shop, target, headers))[0]


@pytest.mark.parametrize("gone", ["everything", "scope", "origin"])
async def test_who_calls_is_asked_again_after_each_change_on_the_first_and_on_every_later_call(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, gone: str
) -> None:
    """What was remembered of a caller before the change names nobody after it, however often the same headers come."""
    target, headers = "/v1/recommendations?placement=home-popular", {"x-api-key": shop.key}
    access = shop.app.state.access
    before = access.directory
    changed = without(before, gone)
    monkeypatch.setattr(access, "use", lambda directory: None)  # the server's own look at PostgreSQL would undo the change
    status = 401 if gone == "everything" else 403
    assert await over_both(shop, target, headers) == (200, 200)
    try:
        for _ in range(2):  # each change of the directory once more
            access.authenticator.use(changed())
            for _ in range(100):
                assert await over_both(shop, target, headers) == (status, status)
    finally:
        access.authenticator.use(before)
    assert await over_both(shop, target, headers) == (200, 200)


def without(directory: AccessDirectory, gone: str) -> Callable[[], AccessDirectory]:
    """Return what makes a directory whose keys lost something."""
    if gone == "everything":
        return AccessDirectory
    if gone == "scope":
        keys = {digest: replace(key, scopes=frozenset({Scope.EVENTS})) for digest, key in directory.keys.items()}
    else:
        keys = {
            digest: replace(key, kind=KeyKind.WEBSITE, origins=frozenset({"https://else.example"}))
            for digest, key in directory.keys.items()
        }
    return lambda: replace(directory, keys=keys)


async def test_requests_sent_at_once_on_one_connection_are_answered_in_order(shop: Shop) -> None:
    config = Config(shop.app, access_log=False, log_level="error", proxy_headers=False)
    connection, socket = ServingProtocol(config, ServerState(), {}, asyncio.get_running_loop()), Socket()
    connection.connection_made(socket)
    rest = f"HTTP/1.1\r\nhost: t\r\nx-api-key: {shop.key}\r\n\r\n"
    for place in range(5):
        for part in (f"GET /v1/recommendations?placement=home-popular&user_id=u{place} ", rest):
            connection.data_received(part.encode())
    connection.data_received(f"GET /livez HTTP/1.1\r\nhost: t\r\n\r\nGET /v1/recommendations?user_id=u9 {rest}".encode())
    async with asyncio.timeout(10):
        while socket.sent.count(b"HTTP/1.1 200 OK") < 7:  # noqa: ASYNC110 - the socket only knows bytes
            await asyncio.sleep(0.01)
    assert re.findall(rb'"user_id":"(u\d)"', socket.sent) == [b"u0", b"u1", b"u2", b"u3", b"u4", b"u9"]
