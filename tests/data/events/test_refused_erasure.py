"""Refused events go with whom they name, wherever and however they name them; what names nobody is kept a day."""

import hashlib
import os
import time
from typing import Any

import httpx
import orjson
import pytest

from app.core.db import Database
from app.core.ids import IdentityKind, person_key
from app.data.events.refused import naming, store
from app.data.events.sources.base import LARGEST_BODY

ADMIN = "/v1/admin/refused-events"
ADDRESS = "ann.larsson@shop.example"
DIGEST = hashlib.sha256(ADDRESS.encode()).hexdigest()


async def known(http: httpx.AsyncClient) -> None:
    landed = {"userId": "ann77", "anonymousId": "device-9", "traits": {"email": ADDRESS}}
    assert (await http.post("/v1/identify", json=landed)).status_code == 200


async def kept(db: Database) -> int:
    return int((await db.rows("select count(*) from refused_event"))[0][0])


BODIES: list[tuple[str, bytes]] = [
    ("track", b'{"userId": "ann77", "event": "Product Viewed"'),
    ("track", b"{userId: ann77, event: Product Viewed}"),
    ("track", b"userId=ann77&event=x"),
    ("batch", b'{"batch": [{"type": "track", "userId": "other"}, {"userId": "\\u0061nn77"},,]}'),
    ("batch", b'{"batch": [{"properties": {"note": "write to Ann.Larsson@Shop.example, please"}}'),
    ("batch", b'{"batch": [{"type": "track", "userId": "ann77'),
    ("track", ('{"email": "' + DIGEST.upper() + '"').encode()),
    ("track", '{"userId": "ann77"'.encode("utf-16")),
    ("track", orjson.dumps({"userId": ["ann77"], "anonymousId": "device-9", "event": "x", "timestamp": "never"})),
    ("track", orjson.dumps({"userId": {"id": {"value": "ann77"}}, "event": "x"})),
    ("track", orjson.dumps({"event": "x", "context": {"page": {"url": "https://shop.example/?uid=ann77&x=1"}}})),
    ("alias", orjson.dumps({"userId": "new", "previousId": "ann77", "timestamp": "never"})),
    ("alias", orjson.dumps({"userId": "new", "previousId": "device-9", "timestamp": "never"})),
    ("alias", orjson.dumps({"userId": {"ann77": 1}, "previousId": "x"})),
    ("track", b'[{"userId": "ann77"}]'),
]


@pytest.mark.parametrize(("call", "body"), BODIES)
async def test_an_erasure_takes_refused_events_that_name_the_person_anywhere(
    http: httpx.AsyncClient, db: Database, call: str, body: bytes
) -> None:
    await known(http)
    await http.post(f"/v1/{call}", content=body, headers={"Content-Type": "application/json"})
    assert await kept(db) == 1
    assert (await http.delete("/v1/admin/people/ann77")).status_code == 200
    assert await kept(db) == 0


async def test_an_erasure_leaves_refused_events_of_others(http: httpx.AsyncClient, db: Database) -> None:
    await known(http)
    await http.post(
        "/v1/track", json={"userId": "bob", "event": "x", "timestamp": "never", "properties": {"quantity": 77, "note": "ann77x"}}
    )
    await http.post("/v1/track", content=b'{"userId": "joann77"', headers={"Content-Type": "application/json"})
    await http.delete("/v1/admin/people/ann77")
    assert await kept(db) == 2


async def test_the_user_one_takes_no_refused_event_of_one_piece_along(http: httpx.AsyncClient, db: Database) -> None:
    await http.post("/v1/identify", json={"userId": "1"})
    await http.post("/v1/track", json={"userId": "bob", "event": "x", "timestamp": "never", "properties": {"quantity": 1}})
    await http.post("/v1/track", json={"userId": [1], "event": "x"})
    await http.delete("/v1/admin/people/1")
    assert await kept(db) == 1


async def test_what_names_nobody_is_kept_for_a_day_and_the_rest_for_thirty(http: httpx.AsyncClient, db: Database) -> None:
    for body in (b'{"event": "Product Viewed', b"\xff\xfe\x00", b'{"userId": "ann77"'):
        await http.post("/v1/track", content=body, headers={"Content-Type": "application/json"})
    many = b'{"batch": [' + b",".join(b'{"userId": "u%d"}' % number for number in range(6_000)) + b",,]}"
    await http.post("/v1/batch", content=many, headers={"Content-Type": "application/json"})
    assert await kept(db) == 4
    await db.run("update refused_event set received_at = now() - interval '1 day'")
    await store.drop_old(db, 30)
    rows = await db.rows("select brief, cardinality(named) > 0 from refused_event")
    assert [tuple(row) for row in rows] == [(False, True)]


@pytest.mark.parametrize(
    "piece", [b"a", b'"', b'\\"', b"a@", b"a:", b"u: {", b'x:"\\"', b"@", b" ", b"[", b"'", b"\\u0061", b"a.b-c@d ", os.urandom(512)]
)
def test_looking_for_names_takes_no_longer_than_the_text_is_long(piece: bytes) -> None:
    begun = time.process_time()
    naming.named_in(b"{" + piece * (LARGEST_BODY // len(piece)), 1)
    assert time.process_time() - begun < 4.0


@pytest.mark.parametrize("value", [77001, 77001.0, "77001", " 77001 ", ["77001"], {"id": 77001}])
def test_an_id_is_found_whatever_its_type(value: Any) -> None:
    named = naming.named_in(orjson.dumps({"userId": value, "event": "x"}), 1).keys
    assert person_key(1, IdentityKind.USER_ID, "77001") in named
    assert person_key(1, IdentityKind.ANONYMOUS_ID, "77001") in named
