"""Merges taken back."""

import httpx
import pytest

from app.core.db import Database
from app.core.settings import Settings
from app.data.kinds import Kind
from app.data.online.publisher import Publisher
from app.data.people import states
from app.data.privacy import consent
from tests.data.conftest import Put, event
from tests.data.people.test_merges import ANN, BOB, LAPTOP, PHONE, groups, state_of


@pytest.fixture
def applier(db: Database, settings: Settings, publisher: Publisher, tenant: int) -> states.Applier:
    return states.Applier(db, settings, publisher, tenant)


async def merges(http: httpx.AsyncClient, user: str) -> list[dict[str, object]]:
    answer = await http.get(f"/v1/admin/people/{user}/merges")
    assert answer.status_code == 200, answer.text
    return answer.json()["merges"]  # type: ignore[no-any-return]


async def undo(http: httpx.AsyncClient, user: str, merge: dict[str, object]) -> dict[str, object]:
    answer = await http.post(f"/v1/admin/people/{user}/merges/{merge['merge_no']}/undo")
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


async def test_after_an_undo_each_side_has_its_own_events_in_postgresql_and_redis(
    http: httpx.AsyncClient, put: Put, applier: states.Applier, publisher: Publisher, db: Database, settings: Settings, tenant: int,
    catalogue: dict[str, int], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(consent, "_LOOK_S", 0.0)
    monkeypatch.setattr(consent.wait_applied, "__defaults__", (0.0,))
    await put(event(1, item="a", kind=Kind.PURCHASE, identities=(PHONE,)), event(2, item="b", identities=(ANN,)))
    await put(event(3, item="c", identities=(ANN, PHONE)))
    await applier.apply()
    (merge,) = await merges(http, "ann")
    assert (merge["evidence"], merge["together"], merge["undone_at"]) == ("together", True, None)
    assert (merge["former"], merge["into"]) == ({"kind": "anonymous_id", "value": "phone"}, {"kind": "user_id", "value": "ann"})
    done = await undo(http, "ann", merge)
    assert (done["together"], done["applied"]) == (False, False)
    assert await states.deliver(db, settings, publisher, tenant) == 2
    ann, phone = await state_of(publisher, ANN), await state_of(publisher, PHONE)
    assert ann is not None
    assert phone is not None
    assert (ann.groups.tolist(), ann.bought.tolist()) == ([catalogue["b"], catalogue["c"]], [])
    assert phone.bought.tolist() == [catalogue["a"]]
    assert await db.rows("select 1 from outbox where confirmed_at is null") == []
    (again,) = await merges(http, "ann")
    assert again["undone_at"] is not None


async def test_an_undone_merge_comes_back_by_a_later_alias_only(http: httpx.AsyncClient, put: Put, db: Database) -> None:
    first = event(3, identities=(ANN,), former=(BOB,))
    await put(event(1, identities=(ANN, PHONE)), first)
    for merge in await merges(http, "ann"):
        await undo(http, "ann", merge)
    apart = {("ann",), ("bob",), ("phone",)}
    assert await groups(db) == apart
    await db.run("truncate seen_0, seen_1")  # the same messages again, long after
    await put(event(1, identities=(ANN, PHONE)), event(2, identities=(ANN, PHONE)), first)
    await put(event(4, identities=(ANN, PHONE)), event(5, identities=(ANN,), former=(BOB,)))
    assert await groups(db) == apart
    (latest,) = await db.rows("select max(undone_at) + interval '1 second' from person_merge")
    await put(event(6, identities=(ANN,), former=(BOB, PHONE), occurred_at=latest[0]))
    assert await groups(db) == {("ann", "bob", "phone")}


async def test_whoever_else_used_a_device_does_not_get_what_an_undo_sets_free(http: httpx.AsyncClient, put: Put, db: Database) -> None:
    await put(event(1, identities=(ANN, PHONE)), event(2, identities=(BOB, PHONE)))
    (merge,) = await merges(http, "ann")
    assert await merges(http, "bob") == []
    await undo(http, "ann", merge)
    assert await groups(db) == {("ann",), ("bob",), ("phone",)}
    await put(event(9, identities=(BOB, PHONE)))
    assert await groups(db) == {("ann",), ("bob", "phone")}


async def test_an_undo_makes_room_for_what_was_too_many(http: httpx.AsyncClient, put: Put, db: Database, settings: Settings) -> None:
    settings.__dict__["person_ids"] = 2
    await put(event(1, identities=(ANN, PHONE)))
    await put(event(2, identities=(ANN, LAPTOP)))
    assert await groups(db) == {("ann", "laptop", "phone")}  # `put` stores with the default
    merge = (await merges(http, "ann"))[-1]
    await undo(http, "ann", merge)
    assert await groups(db) == {("ann", "laptop"), ("phone",)}


async def test_ids_that_are_linked_in_two_ways_stay_together_and_the_answer_says_so(http: httpx.AsyncClient, put: Put) -> None:
    eve = (1, "eve")
    await put(
        event(1, identities=(ANN,), former=(BOB,)), event(2, identities=(BOB,), former=(eve,)), event(3, identities=(eve,), former=(ANN,))
    )
    assert (await undo(http, "ann", (await merges(http, "ann"))[0]))["together"] is True


async def test_a_refusal_comes_back_with_the_one_who_refused(
    http: httpx.AsyncClient, put: Put, db: Database, settings: Settings, tenant: int
) -> None:
    await consent.set_consent(db, settings, tenant, "bob", False)
    await put(event(1, identities=(ANN,), former=(BOB,)))
    await consent.set_consent(db, settings, tenant, "ann", True)
    (merge,) = await merges(http, "ann")
    await undo(http, "ann", merge)
    rows = await db.rows("select value, consent from person_identity join person using (tenant, person_no) order by 1")
    assert [tuple(row) for row in rows] == [("ann", 1), ("bob", 0)]


async def test_merges_of_strangers_and_others_are_not_found(http: httpx.AsyncClient, put: Put) -> None:
    await put(event(1, identities=(ANN, PHONE)), event(2, identities=(BOB,)))
    (merge,) = await merges(http, "ann")
    assert await merges(http, "bob") == []
    for path in (f"bob/merges/{merge['merge_no']}/undo", "nobody/merges/1/undo", "ann/merges/2147483647/undo"):
        assert (await http.post(f"/v1/admin/people/{path}")).status_code == 404
    assert (await http.get("/v1/admin/people/nobody/merges")).status_code == 404
    assert (await http.post("/v1/admin/people/ann/merges/0/undo")).status_code == 422
