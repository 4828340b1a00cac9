"""The catalogue over HTTP."""

from typing import Any
from urllib.parse import quote

import httpx
import pytest

from app.core.db import Database


async def versions(db: Database) -> int:
    rows = await db.rows("select version from change where area = 'catalogue'")
    return int(rows[0][0]) if rows else 0


async def test_an_item_is_put_read_changed_and_taken_out(http: httpx.AsyncClient, db: Database) -> None:
    put = await http.put("/v1/items/a%20b", json={"title": "Hat", "price": "5 GBP", "extra": {"x": [1, None]}})
    assert put.status_code == 200, put.text
    document = {"id": "a b", "title": "Hat", "price": "5 GBP", "extra": {"x": [1, None]}}
    assert put.json()["document"] == document
    assert (await http.get("/v1/items/a%20b")).json()["document"] == document
    number = (await db.rows("select item_no, group_no from item"))[0]
    assert (await http.put("/v1/items/a%20b", json={"title": "Cap"})).json()["document"] == {"id": "a b", "title": "Cap"}
    gone = await http.delete("/v1/items/a%20b")
    assert gone.json() == {"item_id": "a b", "deleted": True}
    assert (await http.get("/v1/items/a%20b")).status_code == 404
    assert (await http.delete("/v1/items/a%20b")).status_code == 404
    await http.put("/v1/items/a%20b", json={"title": "Cap"})
    assert (await http.get("/v1/items/a%20b")).status_code == 200
    assert (await db.rows("select item_no, group_no from item"))[0] == number


async def test_servers_are_told_of_changes_and_only_of_changes(http: httpx.AsyncClient, db: Database) -> None:
    await http.put("/v1/items/a", json={"title": "Hat"})
    first, xid = await versions(db), (await db.rows("select changed_xid::text from item"))[0][0]
    await http.put("/v1/items/a", json={"title": "Hat"})
    assert await versions(db) == first
    assert (await db.rows("select changed_xid::text from item"))[0][0] == xid
    await http.put("/v1/items/a", json={"title": "Cap"})
    assert await versions(db) > first
    assert (await db.rows("select changed_xid::text from item"))[0][0] != xid


async def test_a_batch_tells_each_refused_item(http: httpx.AsyncClient, db: Database) -> None:
    items: list[Any] = [{"id": "a", "title": "old"}, {"id": "b", "price": "x"}, "no item", {"id": "a", "title": "new"}, {"id": "c"}]
    answer = (await http.post("/v1/items/batch", json={"items": items})).json()
    assert (answer["read"], answer["landed"], answer["unchanged"]) == (5, 2, 0)
    assert [(one["index"], one["reason"]) for one in answer["refused"]] == [
        (0, "sent again later in this batch"),
        (1, "price: a price must be a number or a text such as 19.90 GBP"),
        (2, "not a JSON object"),
    ]
    assert (await http.get("/v1/items/a")).json()["document"]["title"] == "new"
    again = (await http.post("/v1/items/batch", json={"items": items[3:]})).json()
    assert (again["landed"], again["unchanged"]) == (2, 2)


async def test_variants_share_a_group_and_may_move_to_another(http: httpx.AsyncClient, db: Database) -> None:
    await http.post("/v1/items/batch", json={"items": [{"id": i, "item_group_id": "dress"} for i in ("s", "m")]})
    assert len({row[0] for row in await db.rows("select group_no from item")}) == 1
    await http.put("/v1/items/m", json={"item_group_id": "other"})
    assert len({row[0] for row in await db.rows("select group_no from item")}) == 2


async def test_numbers_are_not_used_up_by_items_sent_again(http: httpx.AsyncClient, db: Database) -> None:
    for _ in range(5):
        await http.post("/v1/items/batch", json={"items": [{"id": str(i)} for i in range(10)]})
    await http.put("/v1/items/new", json={})
    assert (await db.rows("select max(item_no), max(group_no) from item"))[0] == (11, 11)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/items/a", b'{"price": NaN}', 422),
        ("/v1/items/a", b'{"price": "x"}', 422),
        ("/v1/items/a", b'{"id": "b"}', 422),
        ("/v1/items/a", b'{"title": "\\u0000"}', 422),
        ("/v1/items/a", b'{"title": "\\ud800"}', 422),
        ("/v1/items/a", b"[" * 5000, 400),
        ("/v1/items/a", b"[]", 422),
        ("/v1/items/" + "x" * 201, b"{}", 422),
        ("/v1/items/a%00b", b"{}", 422),
        ("/v1/items/%20", b"{}", 422),
        ("/v1/items/batch", b'{"items": {}}', 422),
    ],
)
async def test_wrong_bodies_and_ids_are_problems_and_never_faults(http: httpx.AsyncClient, path: str, body: bytes, status: int) -> None:
    method = http.post if path.endswith("batch") else http.put
    answer = await method(path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {status, 422, 400}, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def test_concurrent_batches_over_the_same_items_do_not_lock_up(http: httpx.AsyncClient, db: Database) -> None:
    import asyncio

    async def send(turn: int) -> int:
        order = [str(i) for i in range(60)]
        items = [{"id": i, "title": f"{turn}"} for i in (order if turn % 2 else reversed(order))]
        return (await http.post("/v1/items/batch", json={"items": items})).status_code

    assert set(await asyncio.gather(*(send(turn) for turn in range(8)))) == {200}
    assert (await db.rows("select count(*) from item"))[0][0] == 60


@pytest.mark.parametrize("item_id", ["AB/12", "/lead", "trail/", "a//b", "batch", "x/merges", "50%25", "a?b#c"])
async def test_every_id_that_lands_can_be_read_changed_and_taken_out(http: httpx.AsyncClient, item_id: str) -> None:
    path = f"/v1/items/{quote(item_id, safe='')}"
    assert (await http.post("/v1/items/batch", json={"items": [{"id": item_id, "title": "Hat"}]})).json()["landed"] == 1
    assert (await http.get(path)).json()["document"]["title"] == "Hat"
    assert (await http.put(path, json={"title": "Cap"})).json()["item_id"] == item_id
    assert (await http.delete(path)).json() == {"item_id": item_id, "deleted": True}
    assert (await http.get(path)).status_code == 404


async def test_what_was_left_out_of_an_item_is_told(http: httpx.AsyncClient) -> None:
    put = (await http.put("/v1/items/a", json={"title": "Hat", "price": "5 EUR", "sale_price": "7 EUR"})).json()
    assert put["warnings"] == ["sale_price was left out: it is not lower than the price"]
    batch = (
        await http.post("/v1/items/batch", json={"items": [{"id": "x", "price": "cheap"}, {"id": "b", "title": "t", "link": "/p"}]})
    ).json()
    assert batch["warnings"] == [{"index": 1, "reason": "link is no whole address (https://...): it is shown without"}]


async def test_an_item_that_gets_a_group_takes_what_was_learned_with_it(http: httpx.AsyncClient, db: Database) -> None:
    async def numbers() -> dict[str, int]:
        return {row[0]: row[1] for row in await db.rows("select item_id, group_no from item")}

    await http.post("/v1/items/batch", json={"items": [{"id": one} for one in ("solo1", "s", "m", "other")]})
    before = await numbers()
    await http.put("/v1/items/solo1", json={"item_group_id": "solo"})
    assert await numbers() == before
    assert (await http.get("/v1/items/solo1")).json()["item_group_id"] == "solo"
    await http.post("/v1/items/batch", json={"items": [{"id": one, "item_group_id": "dress"} for one in ("s", "m")]})
    assert await numbers() == {**before, "s": before["m"]}
    await http.put("/v1/items/other", json={"item_group_id": "dress"})
    assert (await numbers())["other"] == before["m"]
    await http.put("/v1/items/solo1", json={})
    assert await numbers() == {**before, "s": before["m"], "other": before["m"]}
    await http.put("/v1/items/s", json={})
    assert (await numbers())["s"] == before["s"]
