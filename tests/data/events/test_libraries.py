"""The paths and bodies of Segment's browser, Swift and .NET libraries."""

from typing import Any

import httpx
import pytest

from app.core.db import Database

TRACK = {"event": "Product Viewed", "properties": {"product_id": "a"}, "timestamp": "2026-05-01T10:00:00.000Z", "messageId": "m"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/t", {"type": "track", "anonymousId": "dev", "integrations": {}, "context": {"page": {"path": "/"}}, **TRACK}),
        ("/v1/i", {"type": "identify", "userId": "ann", "traits": {"plan": "gold"}}),
        ("/v1/p", {"type": "page", "anonymousId": "dev", "properties": {"path": "/"}}),
        ("/v1/s", {"type": "screen", "anonymousId": "dev", "name": "Home"}),
        ("/v1/g", {"type": "group", "userId": "ann", "groupId": "g"}),
        ("/v1/a", {"type": "alias", "userId": "ann", "previousId": "dev"}),
        ("/v1/b", {"batch": [{"type": "track", "anonymousId": "dev", **TRACK}], "sentAt": "2026-05-01T10:00:01.000Z", "writeKey": "k"}),
        ("/v1/import", {"batch": [{"type": "track", "userId": "ann", **TRACK}], "context": {"library": {"name": "Analytics.NET"}}}),
    ],
)
async def test_short_paths_store_as_the_long_ones(http: httpx.AsyncClient, db: Database, path: str, body: dict[str, Any]) -> None:
    answer = await http.post(path, json=body)
    assert (answer.status_code, answer.json()["accepted"]) == (200, 1), answer.text
    assert (await db.rows("select count(*) from event"))[0][0] == 1


async def test_a_beacon_in_plain_text_is_read_on_a_short_path(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/t", content=b'{"event": "x", "anonymousId": "dev"}', headers={"Content-Type": "text/plain"})
    assert answer.json()["accepted"] == 1
