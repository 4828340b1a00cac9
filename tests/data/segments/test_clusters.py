"""Clusters over HTTP and in the worker: found when published and hourly, of everybody, and those who come later too."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from app.core.db import Database
from app.core.ids import facts_key, person_key
from app.core.settings import Settings
from app.data.facts import packed
from app.data.kinds import Kind
from app.data.online.publisher import Publisher
from app.data.segments.clusters import refreshing
from tests.data.conftest import Put, event
from tests.data.segments.test_segments import Clock, Worker, moved, publish, worker

__all__ = ["moved", "worker"]
CLUSTERS = "/v1/admin/clusters"


async def shop_of_two(put: Put, moved: Clock, worker: Worker, first: int = 0, people: int = 15) -> None:
    """Bring people who look and people who buy a lot."""
    number = first * 1000
    for person in range(first, first + people):
        for step in range(1 + person % 3):
            await put(event(number, f"look{person}", occurred_at=moved.now - timedelta(days=40 + person + step)))
            number += 1
        for step in range(8 + person % 3):
            await put(
                event(
                    number, f"buy{person}", kind=Kind.PURCHASE, order_id=f"o{number}", value=50.0 + person, quantity=2,
                    occurred_at=moved.now - timedelta(days=1 + step / 10),
                )
            )  # fmt: skip
            number += 1
    await worker.turn()


async def labels(db: Database, user: str) -> Any:
    rows = await db.rows(
        "select s.facts from person_identity i join person p using (tenant, person_no) join person_state s on s.person_no = p.root_no "
        "where i.value = :user", user=user,
    )  # fmt: skip
    person = packed.read(bytes(rows[0][0]))
    return None if person is None else person.more.get("k")


async def test_clusters_are_found_told_in_words_and_people_stand_in_segments_of_them(
    http: httpx.AsyncClient, db: Database, worker: Worker, put: Put, moved: Clock, publisher: Publisher, tenant: int
) -> None:
    await shop_of_two(put, moved, worker)
    made = await http.put(f"{CLUSTERS}/value", json={"features": ["orders", "spent", "days_since.seen"]})
    assert made.status_code == 200, made.text
    before = (await http.get(f"{CLUSTERS}/value")).json()
    assert (before["ready"], before["found"], before["note"]) == (False, None, "The worker finds its clusters within seconds.")
    assert await refreshing.refresh(db, tenant) == 30
    await worker.turn()
    told = (await http.get(f"{CLUSTERS}/value")).json()
    assert (told["ready"], told["note"]) == (True, "")
    found = told["found"]
    assert (found["sampled"], [one["people"] for one in found["clusters"]], found["silhouette"] > 0.7) == (30, [15, 15], True)
    assert [one["k"] for one in found["tried"]] == list(range(2, 11))
    buyers, others = await labels(db, "buy3"), await labels(db, "look3")
    assert {buyers["value"], others["value"]} == {1, 2}
    mine = next(one for one in found["clusters"] if one["label"] == buyers["value"])
    assert mine["when"] == f"cluster.value = {buyers['value']}"
    assert "igh money spent (about" in mine["sentence"]
    assert "ow days since the person was seen (about" in mine["sentence"]
    assert mine["values"]["orders"] > 5
    assert found["features"][0]["words"] == "orders"
    assert (await publish(http, "buyers", mine["when"])).status_code == 200
    await worker.turn()
    assert await worker.members("buyers") == sorted(f"buy{number}" for number in range(15))
    (node,) = publisher.nodes.known()
    stored = packed.read(await node.client.get(facts_key(tenant, person_key(tenant, 1, "buy3"))))
    assert stored is not None
    assert stored.more["k"] == buyers
    # somebody new is in at once
    await put(*(event(90_000 + n, "fresh", kind=Kind.PURCHASE, order_id=f"f{n}", value=60.0, quantity=2,
                      occurred_at=moved.now - timedelta(hours=n + 1)) for n in range(9)))  # fmt: skip
    await worker.turn()
    assert await labels(db, "fresh") == buyers
    assert "fresh" in await worker.members("buyers")
    assert (await http.get("/v1/admin/people/fresh")).json()["facts"]["cluster.value"] == buyers["value"]
    gone = await http.delete(f"{CLUSTERS}/value")
    assert (gone.status_code, "buyers" in gone.text) == (409, True)


async def test_clusters_are_found_anew_each_hour_with_the_same_labels_and_those_who_changed_move(
    http: httpx.AsyncClient, db: Database, worker: Worker, put: Put, moved: Clock, tenant: int
) -> None:
    await shop_of_two(put, moved, worker)
    await http.put(f"{CLUSTERS}/value", json={"features": ["orders", "spent"], "k": 2})
    assert await refreshing.refresh(db, tenant) == 30
    await worker.turn()
    buyers = await labels(db, "buy3")
    moved.at(30 / 1440)
    assert await refreshing.refresh(db, tenant) == 0
    for number in range(9):
        await put(event(80_000 + number, "look3", kind=Kind.PURCHASE, order_id=f"x{number}", value=60.0, quantity=2, occurred_at=moved.now))
    await shop_of_two(put, moved, worker, first=20)
    assert await labels(db, "look3") == buyers
    moved.at(2 / 24)
    await refreshing.refresh(db, tenant)
    await worker.turn()
    assert await labels(db, "buy3") == await labels(db, "buy25") == await labels(db, "look3") == buyers
    assert await labels(db, "look25") != buyers
    found = (await http.get(f"{CLUSTERS}/value")).json()["found"]
    assert (found["sampled"], sorted(one["people"] for one in found["clusters"])) == (60, [29, 31])


async def test_no_clusters_rest_on_who_allows_no_personal_content_and_a_deleted_clustering_leaves_no_label(
    http: httpx.AsyncClient, db: Database, worker: Worker, put: Put, moved: Clock, tenant: int, settings: Settings
) -> None:
    await shop_of_two(put, moved, worker)
    answer = await http.put("/v1/admin/people/buy3/consent", json={"personalisation": False})
    assert answer.status_code == 200
    await worker.turn()
    await http.put(f"{CLUSTERS}/value", json={"features": ["orders"], "k": 2})
    assert await refreshing.refresh(db, tenant) == 29
    await worker.turn()
    assert await labels(db, "buy3") is None
    assert (await http.delete(f"{CLUSTERS}/value")).status_code == 204
    assert await refreshing.refresh(db, tenant) == 29
    await worker.turn()
    assert await labels(db, "buy4") is None


async def test_a_shop_of_few_people_has_no_clusters_and_is_told_so(
    http: httpx.AsyncClient, db: Database, worker: Worker, put: Put, moved: Clock, tenant: int
) -> None:
    await shop_of_two(put, moved, worker, people=3)
    assert (await http.put(f"{CLUSTERS}/value", json={})).status_code == 200
    assert await refreshing.refresh(db, tenant) == 0
    told = (await http.get(f"{CLUSTERS}/value")).json()
    assert told["note"] == "There are too few people of whom this is known: 6, and 20 are needed."
    assert told["found"]["clusters"] == []


@pytest.mark.parametrize(
    ("body", "field", "told"),
    [
        ({"features": ["orderz"]}, "features", "did you mean orders?"),
        ({"features": ["lifecycle"]}, "features", "a formula gives a number"),
        ({"features": ["item.price"]}, "features", ""),
        ({"features": ["cluster.other"]}, "features", "clusters cannot rest on clusters"),
        ({"features": []}, "features", ""),
        ({"k": 11}, "k", ""),
        ({"method": "hdbscan"}, "method", "no such field"),
    ],
)
async def test_a_clustering_that_cannot_be_is_refused(http: httpx.AsyncClient, body: Any, field: str, told: str) -> None:
    answer = await http.put(f"{CLUSTERS}/value", json=body)
    assert (answer.status_code, [one["field"] for one in answer.json()["errors"]]) == (422, [field])
    assert told in answer.json()["errors"][0]["message"]


async def test_a_segment_of_a_clustering_that_is_not_there_is_refused_with_the_nearest(http: httpx.AsyncClient) -> None:
    assert (await http.put(f"{CLUSTERS}/value", json={})).status_code == 200
    answer = await publish(http, "buyers", "cluster.valu = 1")
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"field": "when", "message": "there is no clustering valu; did you mean value?"}]
