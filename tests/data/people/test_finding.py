"""Finding people, and the lines that reading and changing one leaves in the audit log."""

import hashlib
from typing import Any

import httpx
import pytest

from app.core.db import Database
from app.core.settings import Settings
from app.data.identity import watched
from app.data.identity.vault import DataKeys
from app.data.kinds import Kind
from app.data.people import finding
from tests.data.conftest import Put, event

PATH = "/v1/admin/people"


async def found(http: httpx.AsyncClient, **query: Any) -> Any:
    answer = await http.get(PATH, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def lines(db: Database) -> list[tuple[str, str, str]]:
    return [tuple(row) for row in await db.rows("select what, name, note from audit where kind = 'person' order by audit_no")]


async def test_people_come_as_last_seen_each_once_page_by_page(
    http: httpx.AsyncClient, put: Put, catalogue: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "_PIECE", 7)
    for number, user in enumerate(["ann", "bob", "cleo", "ann", "dan", "bob", "eve", *["fay"] * 40, "ann"]):
        await put(event(number, user=user))
    assert [one["user_id"] for one in (await found(http, limit=2))["people"]] == ["ann", "fay"]
    names, before = [], ""
    for _ in range(20):
        page = await found(http, limit=2, before=before)
        names += [one["user_id"] for one in page["people"]]
        before = page["next"]
        if not before:
            break
    assert names == ["ann", "fay", "eve", "bob", "dan", "cleo"]


async def test_a_person_is_found_by_any_id_exactly_and_by_its_beginning(
    http: httpx.AsyncClient, put: Put, catalogue: dict[str, int]
) -> None:
    address = hashlib.sha256(b"ann@shop.example").hexdigest()
    await put(event(1, identities=((1, "u/1 %"), (2, "anon-77"), (3, address))), event(2, user="u/10"), event(3, user="U/1"))
    for q in ("u/1 %", "anon-77", address.upper(), " Ann@Shop.example "):
        first = (await found(http, q=q))["people"][0]
        assert (first["user_id"], first["ids"]) == ("u/1 %", 3), q
    page = await found(http, q="u/1", limit=1)
    assert [one["user_id"] for one in page["people"]] == ["u/1 %"]
    assert [one["user_id"] for one in (await found(http, q="u/1", limit=1, before=page["next"]))["people"]] == ["u/10"]
    assert (await found(http, q="zz"))["people"] == []
    assert (await found(http, q="%"))["people"] == []


@pytest.mark.parametrize("before", ["x", "!!", "e30", "W10", "WzFd", "WyJhIiwiYiJd"])
async def test_a_cursor_that_is_none_of_ours_is_refused(http: httpx.AsyncClient, before: str) -> None:
    answer = await http.get(PATH, params={"before": before})
    assert answer.status_code in (200, 400) if before == "W10" else answer.status_code == 400


async def test_reading_and_changing_a_person_leaves_lines_that_do_not_name_them(
    http: httpx.AsyncClient, put: Put, db: Database, settings: Settings, tenant: int, catalogue: dict[str, int]
) -> None:
    await put(event(1, user="customer-1"), event(2, identities=((1, "customer-1"), (2, "phone-of-1")), kind=Kind.CART))
    for _ in range(3):
        assert (await http.get(f"{PATH}/customer-1")).status_code == 200
    assert (await http.get("/v1/admin/signals/people/customer-1")).status_code == 200
    merges = (await http.get(f"{PATH}/phone-of-1/merges", params={"by": "anonymous_id"})).json()["merges"]
    await http.post(f"{PATH}/customer-1/merges/{merges[0]['merge_no']}/undo")
    await http.put(f"{PATH}/customer-1/consent", json={"personalisation": False})
    await http.delete(f"{PATH}/customer-1")
    ann, phone = (watched.hint(settings, tenant, one) for one in ((1, "customer-1"), (2, "phone-of-1")))
    told = await lines(db)
    assert [(what, name) for what, name, _ in told] == [
        ("read", ann), ("read", phone), ("undo merge", ann), ("consent", ann), ("erase", ann)
    ]  # fmt: skip
    assert ann.startswith("cu…")
    assert not any("customer-1" in "".join(line) or "phone-of-1" in "".join(line) for line in told)


async def test_another_reader_and_another_minute_have_lines_of_their_own(db: Database, settings: Settings, tenant: int) -> None:
    for who in ("a@shop.example", "b@shop.example", "a@shop.example"):
        await watched.read(db, settings, tenant, who, (1, "ann"))
    assert len(await lines(db)) == 2
    await db.run("update audit set at = at - interval '61 seconds'")
    await watched.read(db, settings, tenant, "a@shop.example", (1, "ann"))
    assert len(await lines(db)) == 3


def test_of_a_short_id_no_character_is_shown(settings: Settings) -> None:
    keys = DataKeys(settings)
    assert keys.hint(1, 1, "42").startswith("…")
    assert keys.hint(1, 1, "\n\x07longer").startswith("…")
    assert keys.hint(1, 1, "customer-1") != keys.hint(1, 2, "customer-1")
