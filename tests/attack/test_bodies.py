"""What comes as a body: cut off, packed in other ways, or not at all."""

import asyncio
import gzip
import json
import struct
from functools import partial
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.core import telemetry
from app.core.redis import connect
from app.serving.model import pin_codec
from app.serving.path import place as placing
from tests.attack.peer import Listening
from tests.serving.shop import Shop

READERS = ["/v1/track", "/v1/batch", "/oauth/token", "/v1/recommendations", "/v1/rank", "/v1/admin/sends", "/v1/items"]


@pytest.mark.parametrize("path", READERS)
@pytest.mark.parametrize("how", ["close", "reset", "half"])
async def test_a_hang_up_in_a_body_is_counted_and_no_fault(door: Listening, path: str, how: str, caplog: pytest.LogCaptureFixture) -> None:
    kind = "application/x-www-form-urlencoded" if "oauth" in path else "application/json"
    head = f"POST {path} HTTP/1.1\r\nhost: t\r\nx-api-key: {door.key}\r\ncontent-type: {kind}\r\ncontent-length: 1000\r\n\r\n"
    before = telemetry.CONNECTIONS_ENDED.labels("hung_up")._value.get()
    with capture_logs() as logs:
        async with door.peer() as peer:
            await peer.send(head.encode(), b"{")
            await asyncio.sleep(0.05)
            if how == "reset":
                peer.writer.transport.abort()
            elif how == "half":
                peer.writer.write_eof()
        async with asyncio.timeout(5):
            while door.state.connections or door.state.tasks:  # noqa: ASYNC110 - nobody tells when the other end is closed
                await asyncio.sleep(0.01)
    assert [line for line in logs if line["log_level"] in ("error", "critical")] == []
    assert [record for record in caplog.records if record.exc_info] == []
    if path in ("/v1/track", "/v1/batch", "/oauth/token", "/v1/recommendations"):
        assert telemetry.CONNECTIONS_ENDED.labels("hung_up")._value.get() == before + 1


packed = partial(gzip.compress, mtime=0)  # without the moment: names of tests are the same in every process
EVENT = json.dumps({"userId": "u1", "event": "Product Viewed", "properties": {"product_id": "i1"}}).encode()
HALF = len(EVENT) // 2


@pytest.mark.parametrize(
    ("encoding", "body", "status"),
    [
        ("gzip", packed(EVENT), 200),
        ("x-gzip", packed(EVENT), 200),
        ("GZIP ", packed(EVENT) + b"\0" * 20, 200),
        ("gzip", packed(EVENT[:HALF]) + packed(EVENT[HALF:]), 200),
        ("identity", EVENT, 200),
        ("", EVENT, 200),
        ("gzip", packed(EVENT)[:-1], 400),
        ("gzip", packed(EVENT)[:-8], 400),
        ("gzip", packed(EVENT)[:-4] + b"abcd", 400),
        ("gzip", packed(EVENT) + b"more", 400),
        ("gzip", packed(EVENT) + packed(EVENT), 400),
        ("gzip", EVENT, 400),
        ("gzip", packed(b"") * 50 + packed(b" " * 50_000_000), 400),
        ("gzip, gzip", packed(packed(EVENT)), 415),
        ("br", EVENT, 415),
        ("deflate", EVENT, 415),
        ("zstd", EVENT, 415),
    ],
)
async def test_a_packed_body_is_read_whole_or_refused(plain_shop: Shop, encoding: str, body: bytes, status: int) -> None:
    headers = {"X-Api-Key": plain_shop.key, "Content-Type": "application/json", "Content-Encoding": encoding}
    answer = await plain_shop.http.post("/v1/track", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    if status == 415:
        assert answer.json()["code"] == "unsupported_encoding"


async def test_a_key_in_an_address_ranks_nothing_and_shows_only_its_placements(plain_shop: Shop) -> None:
    def send(method: str, path: str, key: str, **more: Any) -> Any:
        return plain_shop.http.request(method, path, **{"headers": {"X-Api-Key": key}, **more})

    bound = {"name": "bound", "kind": "esp", "scopes": ["recommend"], "placements": ["home-popular"]}
    client = (await send("POST", "/v1/admin/clients", plain_shop.key, json=bound)).json()
    path = f"/v1/admin/clients/{client['client_id']}/keys"
    keys = [(await send("POST", path, plain_shop.key, json=one)).json()["key"] for one in ({"kind": "url"}, {"kind": "api"})]
    ranked = {"user_id": "u1", "items": ["i1", "i2"]}
    for key in keys:
        for query, header in ((key, {}), (None, {"X-Api-Key": key})):
            if query and "api" in key[:7]:
                continue
            given = {"params": {"key": query} if query else {}, "headers": header}
            refused = await plain_shop.http.post("/v1/rank", json=ranked, **given)
            assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
            for method, target in (("GET", "/v1/recommendations"), ("HEAD", "/v1/recommendations"), ("POST", "/v1/recommendations")):
                params = given["params"]
                for placement, status in (("home-popular", 200), ("email-grid", 403), ("never-made", 403), ("", 403)):
                    answer = await plain_shop.http.request(method, target, params={**params, "placement": placement}, headers=header)
                    assert answer.status_code == status, (method, placement)
            assert (await plain_shop.http.get("/v1/snippets/email-grid", **given)).status_code == 403
            assert (await plain_shop.http.get("/v1/snippets/home-popular", **given)).status_code == 200
    assert (await send("POST", "/v1/rank", plain_shop.key, json=ranked)).status_code == 200


async def test_unknown_placements_are_told_in_the_log_once_a_minute_each_and_never_without_bound(
    plain_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placing, "_told", {})
    now = 1_000.0
    monkeypatch.setattr(placing.time, "monotonic", lambda: now)

    async def told(*names: str) -> int:
        with capture_logs() as logs:
            for name in names:
                assert (await plain_shop.get(placement=name)).status_code == 200
        return [line["event"] for line in logs].count("placement.unknown")

    assert await told(*["gone"] * 30) == 1
    assert await told(*[f"made-up-{n}" for n in range(100)]) == placing._MOST_TOLD - 1
    assert len(placing._told) == placing._MOST_TOLD
    now += 61
    assert await told("gone", "gone", "other") == 2


async def test_a_pinned_answer_whose_items_are_gone_or_unknown_is_filled_and_says_so(shop: Shop) -> None:
    client = connect(shop.settings.redis_url, timeout_ms=2000)
    for lost, expected in ((2, ("live", "cached")), (6, ("segment", "popular"))):
        first = (await shop.get(placement="email-grid", user_id="u1", send_id=f"l8-{lost}")).json()
        for key in [key async for key in client.scan_iter(match="m:*:p:*")]:
            value = bytearray(await client.get(key))
            for place in range(lost):
                struct.pack_into("<I", value, pin_codec._HEAD.size + place * pin_codec._ITEM.size, 2**31 + place)
            await client.set(key, bytes(value), ex=300)
        again = (await shop.get(placement="email-grid", user_id="u1", send_id=f"l8-{lost}")).json()
        assert again["item_count"] == first["item_count"] == 6
        assert again["source"] in expected
        assert [item["item_id"] for item in again["items"]][: 6 - lost] == [item["item_id"] for item in first["items"]][lost:]
    await client.aclose()
