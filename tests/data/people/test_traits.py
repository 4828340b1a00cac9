"""Traits: types, whose word counts, limits, merges, and the ways in by event and by API."""

import itertools
import random
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from app.core.db import Database
from app.core.settings import TRAIT_SOURCES, Settings
from app.data import outbox
from app.data.identity import traits as rules
from app.data.identity.traits import API, FILE, IDENTIFY, MOST, Told, TraitType, flattened, order_of, tell, traits_of, type_of
from app.data.kinds import Kind
from tests.data.conftest import Put, event


def values(*members: Any, order: tuple[str, ...] = rules.SOURCES) -> dict[str, Any]:
    return {name: one.value for name, one in traits_of(members, order).items()}


@pytest.mark.parametrize(
    ("value", "type", "number"),
    [
        (3, TraitType.NUMBER, 3.0), (2.5, TraitType.NUMBER, 2.5), ("3", TraitType.TEXT, None), ("", TraitType.TEXT, None),
        (True, TraitType.FLAG, 1.0), ("true", TraitType.TEXT, None), ([], TraitType.SET, None), (["a", "b"], TraitType.SET, None),
        ("1970-01-02", TraitType.MOMENT, 86_400.0), ("1970-01-01T01:00:00+01:00", TraitType.MOMENT, 0.0),
        ("1970-01-01 00:00:01.5", TraitType.MOMENT, 1.5), ("1970-01-01T00:00Z", TraitType.MOMENT, 0.0),
        ("2026-02-30", TraitType.TEXT, None), ("2026-05", TraitType.TEXT, None), ("02/03/2026", TraitType.TEXT, None),
    ],
)  # fmt: skip
def test_a_value_is_of_the_type_that_it_was_told_as_and_an_iso_date_is_a_moment(value: Any, type: TraitType, number: float | None) -> None:
    told: Told = {}
    assert tell(told, IDENTIFY, "x", value, 1) is None
    assert (type_of(value), traits_of([told])["x"].number()) == (type, number)


def test_the_word_of_the_better_source_counts_and_of_one_source_the_newest() -> None:
    told: Told = {}
    for source, value, at in ((IDENTIFY, "newest", 9), (API, "old", 1), (API, "good", 2), (FILE, "file", 5)):
        tell(told, source, "city", value, at)
    assert traits_of([told])["city"] == ("good", TraitType.TEXT, API, 2)
    assert values(told, order=order_of("identify, file")) == {"city": "newest"}
    assert values(told, order=order_of("file")) == {"city": "file"}
    assert order_of("file") == (FILE, API, IDENTIFY, "computed")


def test_what_was_told_counts_the_same_in_any_order_and_however_it_is_spread_over_ids() -> None:
    said = [
        (IDENTIFY, "a", 1, 5), (IDENTIFY, "a", 2, 5), (IDENTIFY, "a", None, 4), (API, "a", None, 3), (FILE, "a", 7, 2), (FILE, "b", "x", 1),
        (API, "b", None, 6), (IDENTIFY, "b", "y", 7), (FILE, "c", True, 1), (FILE, "c", None, 1), (IDENTIFY, "c", "z", 1),
    ]  # fmt: skip
    chance, outcomes = random.Random(1), set()
    for _ in range(300):
        chance.shuffle(said)
        members: list[Told] = [{}, {}, {}]
        for source, name, value, at in said:
            tell(chance.choice(members), source, name, value, at)
        chance.shuffle(members)
        outcomes.add(str(traits_of(members)))
    assert len(outcomes) == 1
    assert values(*members) == {"a": 2, "b": "y", "c": "z"}


def test_merging_ids_loses_no_trait() -> None:
    members: list[Told] = [{}, {}]
    for member, name in itertools.product((0, 1), range(MOST)):
        tell(members[member], IDENTIFY, f"m{member}t{name}", name, 1)
    assert len(traits_of(members)) == 2 * MOST


def test_objects_become_dotted_names_and_what_is_too_large_is_refused_by_name() -> None:
    deep: dict[str, Any] = {"x": 1}
    for _ in range(5):
        deep = {"in": deep}
    kept, faults = flattened(
        {"address": {"city": "Paris", "geo": {"lat": 1.5}}, "tags": ["b", "a", "b"], "gone": None, "mixed": [1, "a"], "long": "x" * 501,
         "n" * 65: 1, "": 1, "line\nbreak": 1, "many": ["x" * 300, "y" * 201], "deep": deep, "huge": 2**70, "nul": "a\0b"}
    )  # fmt: skip
    assert kept == {"address.city": "Paris", "address.geo.lat": 1.5, "tags": ["a", "b"], "gone": None}
    assert set(faults) == {"mixed", "long", "n" * 64, "", "line\nbreak", "many", "deep.in.in.in.in", "huge", "nul"}


def test_a_person_has_a_bounded_number_of_traits_and_of_names_that_were_taken_away() -> None:
    told: Told = {}
    for number in range(MOST):
        assert tell(told, IDENTIFY, f"t{number}", number, 1) is None
    assert tell(told, API, "one more", 1, 2) == "the person has 100 traits, and no more are kept"
    assert tell(told, API, "t0", "changed", 2) is None
    for number in range(3 * MOST):
        tell(told, API, f"t{number}", None, 3 + number)
    assert values(told) == {}
    assert len(told) == 100, "what is known to be gone is bounded too"
    assert tell(told, IDENTIFY, "fresh", 1, 1_000) is None


def test_a_removed_value_is_not_kept_and_does_not_come_back_by_a_late_event() -> None:
    told: Told = {}
    tell(told, IDENTIFY, "city", "Rome", 1)
    tell(told, API, "city", None, 5)
    assert "Rome" not in str(told)
    tell(told, IDENTIFY, "city", "Oslo", 4)
    assert values(told) == {}
    assert "Oslo" not in str(told)
    tell(told, IDENTIFY, "city", "Bern", 6)
    assert values(told) == {"city": "Bern"}


def test_what_earlier_versions_kept_counts() -> None:
    kept = '{"address": {"identify": [{"city": "Rome"}, 0]}, "old": {"identify": [[1, "a"], 0]}, "no": {"identify": [null, 0]}}'
    assert values(kept) == {
        "address.city": "Rome", "old": ["1", "a"],
    }  # fmt: skip


def test_the_order_of_sources_is_a_setting_that_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rules.SOURCES == TRAIT_SOURCES
    monkeypatch.setenv("MORSEL_TRAIT_SOURCES", " identify , api ")
    assert Settings().trait_sources == "identify,api"
    for wrong in ("api,crm", "api,api"):
        monkeypatch.setenv("MORSEL_TRAIT_SOURCES", wrong)
        with pytest.raises(ValidationError, match="api, file, identify, computed"):
            Settings()


async def test_identify_tells_traits_and_what_it_could_not_tell(http: httpx.AsyncClient) -> None:
    body = {"userId": "ann", "timestamp": "2026-05-01T10:00:00Z", "traits": {"plan": "gold", "age": 30, "bio": "x" * 501}}
    answer = (await http.post("/v1/identify", json=body)).json()
    assert [one["warning"] for one in answer["warnings"]] == ["trait bio: the value is longer than 500 characters; it was left out"]
    found = (await http.get("/v1/admin/people/ann")).json()
    assert found["traits"] == {"age": 30, "plan": "gold"}
    assert found["trait_sources"]["age"] == {"type": "number", "source": "identify", "told_at": "2026-05-01T10:00:00Z"}
    many = {"userId": "bob", "traits": {f"t{number:03}": number for number in range(102)}}
    answer = (await http.post("/v1/identify", json=many)).json()
    assert len(answer["warnings"]) == 2
    assert "no more are kept" in answer["warnings"][0]["warning"]


async def test_a_merge_patch_changes_traits_of_all_ids_and_leaves_a_line_without_values(
    http: httpx.AsyncClient, put: Put, db: Database, tenant: int
) -> None:
    now = datetime.now(UTC)
    await put(
        event(1, item=None, kind=Kind.NONE, identities=((2, "phone"),), traits={"city": "Rome", "size": 40}, occurred_at=now),
        event(2, item=None, kind=Kind.NONE, identities=((1, "ann"), (2, "phone")), traits={"address.zip": "00100"}, occurred_at=now),
    )
    path = "/v1/admin/people/ann/traits"
    answer = await http.patch(path, json={"city": None, "plan": "gold", "address": None, "loves": ["hats", "bags"]})
    assert answer.status_code == 200, answer.text
    assert answer.json()["traits"] == {"loves": ["bags", "hats"], "plan": "gold", "size": 40}
    assert answer.json()["trait_sources"]["plan"]["source"] == "api"
    assert (await http.get("/v1/admin/people/phone", params={"by": "anonymous_id"})).json()["traits"] == answer.json()["traits"]
    kept = str(await db.rows("select traits::text from person"))
    assert "Rome" not in kept
    assert "00100" not in kept
    lines = await db.rows("select who, what, kind, note from audit where what = 'traits'")
    assert [(line[1], line[2], line[3]) for line in lines] == [("traits", "person", "told loves, plan; took away address, city")]
    assert [one.kind for one in await outbox.letters(db, tenant, kinds=outbox.PATIENT)] == ["traits"]
    assert await outbox.letters(db, tenant) == [], "answers wait for no trait"


async def test_a_patch_is_applied_whole_or_not_at_all(http: httpx.AsyncClient, db: Database) -> None:
    path = "/v1/admin/people/new-one/traits"
    assert (await http.patch(path, json={"gone": None})).status_code == 404
    answer = await http.patch(path, json={"plan": "gold", "bio": "x" * 501, "bad": [1]})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert [one["field"] for one in answer.json()["errors"]] == ["bio", "bad"]
    assert (await db.rows("select count(*) from person"))[0][0] == 0
    assert (await http.patch(path, json={f"t{number}": 1 for number in range(101)})).status_code == 422
    assert (await http.patch(path, json=[])).status_code == 422
    assert (await http.patch("/v1/admin/people/%20/traits", json={"a": 1})).status_code == 422
    assert (await http.patch(path, json={"plan": "gold"})).status_code == 200
    assert (await http.get("/v1/admin/people/new-one")).json()["traits"] == {"plan": "gold"}


async def test_of_somebody_who_withdrew_consent_traits_are_only_taken_away(http: httpx.AsyncClient) -> None:
    path = "/v1/admin/people/ann/traits"
    await http.patch(path, json={"plan": "gold"})
    await http.put("/v1/admin/people/ann/consent", json={"personalisation": False})
    assert (await http.patch(path, json={"plan": "silver"})).status_code == 409
    assert (await http.patch(path, json={"plan": None})).json()["traits"] == {}
