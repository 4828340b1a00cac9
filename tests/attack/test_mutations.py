"""Generated heads and bodies on all routes: in one piece and in many they come to the same, and never to a fault.

`ATTACK_SEED` repeats a run, `ATTACK_ROUNDS` says how long the long one is (`make attack`).
"""

import asyncio
import json
import os
import random
import re
import time
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.attack.peer import Listening
from tests.serving.shop import Shop

_TOKENS = [
    b"\r\n", b"\n", b"\r", b"\0", b":", b" ", b"\t", b"\r\n\r\n", b"\r\n ", b"%00", b"%ff", b"\xff", b"\xc3\xa4", b"?", b"#", b"//", b"..",
    b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"Content-Length: -1\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: b\r\n",
    b"Transfer-Encoding: identity\r\n", b"X-Api-Key: mk_api_no\r\n", b"Authorization: Bearer a.b.c\r\n", b"Authorization: Basic Og==\r\n",
    b"Origin: https://e.example\r\n", b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Expect: 100-continue\r\n",
    b"Connection: upgrade\r\nUpgrade: websocket\r\n", b"Content-Encoding: gzip\r\n", b"Content-Type: text/plain\r\n", b"HTTP/1.0",
    b"HTTP/2.0", b"HTTP/0.9", b"x: " + b"a" * 70_000 + b"\r\n", b"a:\r\n" * 300, b"&limit=0", b"&user_id=u2", b"&strict=1", b"&explain=1",
    b"&format=html",
]  # fmt: skip
_ODD = [None, True, [], {}, "", "\0", "x" * 5_000, -1, 10**30, 1e308, "9" * 400, ["i1"] * 600, {"a": {"b": [[[]]]}}, "ud", "i1,i2", 0.5]
_BODIES: list[tuple[str, dict[str, Any]]] = [
    ("/v1/track", {"userId": "u1", "event": "Product Viewed", "properties": {"product_id": "i1"}, "timestamp": "2026-01-01T00:00:00Z"}),
    ("/v1/identify", {"userId": "u1", "traits": {"email": "a@b.example"}}),
    (
        "/v1/batch",
        {"batch": [{"type": "track", "userId": "u1", "event": "Order Completed", "properties": {"products": [{"product_id": "i1"}]}}]},
    ),
    ("/v1/rank", {"user_id": "u1", "items": ["i1", "i2"]}),
    ("/v1/recommendations", {"placement": "home-popular", "user_id": "u1", "limit": 3, "item_id": ["i1"]}),
]
_RESPONSE = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n")


def answers(raw: bytes) -> list[tuple[int, str]]:
    """Read all answers of a connection: each status, and what in the body must be the same each time. A cut answer is a failure."""
    found = []
    while raw:
        first = _RESPONSE.match(raw)
        assert first, raw[:80]
        head, _, rest = raw.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        size = int(length[1]) if length else 0
        assert len(rest) >= size, "an answer was cut"
        if first[1] != b"100":
            found.append((int(first[1]), _lasting(head, rest[:size])))
        raw = rest[size:]
    return found


def _lasting(head: bytes, body: bytes) -> str:
    if b"json" not in head:
        return ""
    document = json.loads(body)
    if not isinstance(document, dict):
        return ""
    items = [item["item_id"] for item in document.get("items", []) if isinstance(item, dict) and "item_id" in item]
    return repr((document.get("code"), document.get("placement"), document.get("user_id"), document.get("warnings"), items))


async def exchange(door: Listening, parts: list[bytes]) -> list[tuple[int, str]]:
    """Send parts, close our side, and return the answers; the other side must end the connection soon."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    try:
        async with asyncio.timeout(10):
            try:
                for part in parts:
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(0)
                writer.write_eof()
            except ConnectionError:
                pass
            return answers(await reader.read(-1))
    finally:
        writer.close()


def mutated(raw: bytes, draw: random.Random) -> bytes:
    """Change a request in one to four places."""
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(raw) + 1) if raw else 0
        what = draw.randrange(7)
        if what == 0:
            raw = raw[:at] + draw.choice(_TOKENS) + raw[at:]
        elif what == 1:
            raw = raw[:at] + raw[at + draw.randint(1, 4) :]
        elif what == 2:
            raw = raw[:at] + bytes([draw.randrange(256)]) + raw[at + 1 :]
        elif what == 3:
            lines = raw.split(b"\r\n")
            draw.shuffle(lines) if draw.random() < 0.2 else lines.insert(draw.randrange(len(lines)), draw.choice(lines))
            raw = b"\r\n".join(lines)
        elif what == 4:
            begin = raw.find(b"\r\n") + 2
            raw = raw[:begin] + draw.choice(_TOKENS) + raw[begin:]
        elif what == 5:
            raw = raw * draw.randint(1, 3)
        else:
            raw = raw[:at]
    return raw


def pieces(raw: bytes, draw: random.Random) -> list[bytes]:
    cuts = sorted(draw.randrange(len(raw) + 1) for _ in range(draw.randint(1, 5))) if raw else []
    return [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True) if a < b]


def routes(shop: Shop) -> list[tuple[str, str]]:
    paths = shop.app.openapi()["paths"]
    filled = [(method.upper(), re.sub(r"\{[^}]+\}", "1", path)) for path, methods in paths.items() for method in methods]
    return [(method, path) for method, path in filled if method != "HEAD"]


async def attack_heads(door: Listening, shop: Shop, rounds: int, seed: int) -> None:
    draw, every = random.Random(seed), routes(shop)
    loose = re.compile(rb"HEAD|head")
    for number in range(rounds):
        method, path = draw.choice(every) if draw.random() < 0.4 else ("GET", "/v1/recommendations?placement=home-popular&user_id=u1")
        key = door.key if method == "GET" else "mk_api_unknown"
        body = b"" if method == "GET" else b'{"a": 1}'
        length = f"content-type: application/json\r\ncontent-length: {len(body)}\r\n" if body else ""
        raw = mutated(f"{method} {path} HTTP/1.1\r\nhost: t\r\nx-api-key: {key}\r\n{length}\r\n".encode() + body, draw)
        if loose.match(raw):
            continue
        whole, split = await exchange(door, [raw]), await exchange(door, pieces(raw, draw))
        assert whole == split, f"seed {seed}, round {number}: {raw[:400]!r}"
        assert all(status < 500 or status in (503, 505) for status, _ in whole), f"seed {seed}, round {number}: {whole} {raw[:400]!r}"


async def attack_bodies(door: Listening, rounds: int, seed: int) -> None:
    draw = random.Random(seed)
    for number in range(rounds):
        path, document = draw.choice(_BODIES)
        changed = json.loads(json.dumps(document))
        target = changed
        while draw.random() < 0.4:
            inner = [
                value for value in (target.values() if isinstance(target, dict) else target) if isinstance(value, (dict, list)) and value
            ]
            if not inner:
                break
            target = draw.choice(inner)
        name = draw.choice(list(target)) if isinstance(target, dict) else draw.randrange(len(target))
        target[name] = draw.choice(_ODD)
        body = json.dumps(changed).encode()
        if draw.random() < 0.4:
            body = mutated(body, draw)
        head = f"POST {path} HTTP/1.1\r\nhost: t\r\nx-api-key: {door.key}\r\ncontent-type: application/json\r\n"
        if draw.random() < 0.3:
            raw = head.encode() + b"transfer-encoding: chunked\r\n\r\n" + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b""
        else:
            raw = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
        found = [[status for status, _ in await exchange(door, parts)] for parts in ([raw], pieces(raw, draw))]
        assert found[0] == found[1], f"seed {seed}, round {number}: {found} {raw[:400]!r}"
        assert all(status < 500 or status == 503 for status in found[0]), f"seed {seed}, round {number}: {found} {raw[:400]!r}"


async def bystander(door: Listening, ending: asyncio.Event) -> int:
    """Ask for somebody else on one connection all the while; every answer must be theirs."""
    count = 0
    async with door.peer() as peer:
        while not ending.is_set():
            await peer.send(door.get("/v1/recommendations?placement=email-grid&user_id=u77"))
            answer = await peer.answer()
            assert (answer.status, json.loads(answer.body)["user_id"]) == (200, "u77")
            count += 1
            await asyncio.sleep(0.005)
    return count


async def attack(door: Listening, shop: Shop, rounds: int, seed: int) -> None:
    print(f"ATTACK_SEED={seed} ATTACK_ROUNDS={rounds}")
    ending = asyncio.Event()
    watching = asyncio.create_task(bystander(door, ending))
    with capture_logs() as logs:
        try:
            await attack_heads(door, shop, rounds, seed)
            await attack_bodies(door, rounds // 2, seed)
        finally:
            ending.set()
    assert await watching > 5
    faults = [line for line in logs if line["log_level"] in ("error", "critical")]
    assert faults == [], f"seed {seed}: {faults[:3]}"
    async with asyncio.timeout(5):
        while door.state.connections:  # noqa: ASYNC110 - nobody tells when the other end is closed
            await asyncio.sleep(0.01)


async def test_changed_requests_come_to_the_same_in_one_piece_and_in_many_and_never_to_a_fault(door: Listening, plain_shop: Shop) -> None:
    await attack(door, plain_shop, 150, int(os.environ.get("ATTACK_SEED", "20261130")))


@pytest.mark.slow
@pytest.mark.timeout(3600)
async def test_many_changed_requests_come_to_no_fault(door: Listening, plain_shop: Shop) -> None:
    await attack(
        door, plain_shop, int(os.environ.get("ATTACK_ROUNDS", "2000")), int(os.environ.get("ATTACK_SEED", str(time.time_ns() % 10**9)))
    )
