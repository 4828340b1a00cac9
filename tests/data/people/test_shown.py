"""What is known of a person, over HTTP and by the command line."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from app.access import service as access_service
from app.access.domain import ClientKind, Scope
from app.access.runtime import Access
from app.access.schemas import NewClient, NewKey
from app.core.db import Database
from app.core.settings import Settings
from app.data.kinds import Kind
from app.data.online.publisher import Publisher
from app.data.people import states
from app.data.privacy import consent
from app.data.profiles.codec import unpack_profile
from tests.data.conftest import Put, event

NOW = datetime.now(UTC).replace(microsecond=0)
ANN = ((1, "ann"), (3, "e" * 64), (2, "device"))


def ago(minutes: int) -> datetime:
    return NOW - timedelta(minutes=minutes)


async def tell(put: Put) -> None:
    """Ann looks at a, puts d into her cart, had bought b at the till."""
    more = {"identities": ANN, "on_site": True}
    await put(
        event(1, item=None, kind=Kind.PAGE, occurred_at=ago(20), **more),
        event(2, item="a", occurred_at=ago(19), country="GB", **more),
        event(3, item="d", kind=Kind.CART, quantity=2.0, occurred_at=ago(10), **more),
        event(4, item="b", kind=Kind.PURCHASE, order_id="o1", quantity=2.0, value=5.5, occurred_at=ago(60 * 24 * 40), identities=ANN),
    )


async def show(http: httpx.AsyncClient, user: str, **params: str) -> dict[str, object]:
    answer = await http.get(f"/v1/admin/people/{user}", params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    # of the id that was asked for, not of the person
    assert found.pop("audit_name")
    return at_rest(found)


def at_rest(found: dict[str, object]) -> dict[str, object]:
    """Leave out the facts that grow from look to look."""
    facts = found["facts"]
    assert isinstance(facts, dict)
    return {**found, "facts": {name: value for name, value in facts.items() if not name.startswith(("days_since.", "cart.age"))}}


async def test_everything_that_is_known_is_shown_under_any_id_before_and_after_the_worker(
    http: httpx.AsyncClient, put: Put, db: Database, settings: Settings, publisher: Publisher, catalogue: dict[str, int], tenant: int
) -> None:
    await tell(put)
    found = await show(http, "ann")
    assert {(one["kind"], one["value"], one["primary"]) for one in found["identities"]} == {  # type: ignore[attr-defined]
        ("user_id", "ann", True), ("email_sha256", "e" * 64, False), ("anonymous_id", "device", False)
    }  # fmt: skip
    assert (found["personalisation"], found["country"], found["traits"]) == (None, "GB", {})
    assert datetime.fromisoformat(str(found["last_seen"])) == ago(10)
    short = [(one["item_group_id"], one["item_id"], one["kind"], one["times"], one["amount"]) for one in found["history"]]  # type: ignore[attr-defined]
    assert short == [("de", "d", "cart", 1, 2.0), ("a", "a", "view", 1, 1.0), ("b", "b", "purchase", 1, 2.0)]
    bought = ago(60 * 24 * 40).date().isoformat()
    assert found["bought"] == [{"item_group_id": "b", "item_id": "b", "title": "b", "image": "", "last_day": bought}]
    counts = found["counts"]
    assert counts["view"] == {"1h": 1, "24h": 1, "7d": 1, "30d": 1, "90d": 1, "365d": 1, "ever": 1}  # type: ignore[index]
    assert counts["order"] == {"1h": 0, "24h": 0, "7d": 0, "30d": 0, "90d": 1, "365d": 1, "ever": 1}  # type: ignore[index]
    assert found["orders"] == {"count": 1, "value": 11.0, "first_day": bought, "last_day": bought}
    assert found["visits"] == [{"started_at": ago(20).isoformat().replace("+00:00", "Z"), "seconds": 600, "pages": 1, "items": 2}]
    assert found["cart"] == [
        {"item_id": "d", "title": "d", "image": "", "quantity": 2, "added_at": ago(10).isoformat().replace("+00:00", "Z")}
    ]
    await states.Applier(db, settings, publisher, tenant).apply()
    for value, by in (("ann", "user_id"), ("E" * 64, "email_sha256"), ("device", "anonymous_id")):
        assert await show(http, value, by=by) == found
    assert len(unpacked := await db.rows("select profile from person_state")) == 1
    assert unpack_profile(unpacked[0][0]) is not None


async def test_of_several_ids_that_are_one_person_the_newest_traits_are_shown(
    http: httpx.AsyncClient, put: Put, catalogue: dict[str, int]
) -> None:
    await put(
        event(1, item=None, kind=Kind.NONE, identities=((2, "phone"),), traits={"plan": "old", "city": "Rome"}, occurred_at=ago(9)),
        event(2, item=None, kind=Kind.NONE, identities=((2, "laptop"),), traits={"plan": "new"}, country="IT", occurred_at=ago(5)),
        event(3, item="a", identities=((1, "ann"), (2, "phone")), occurred_at=ago(3)),
        event(4, item="b", identities=((1, "ann"), (2, "laptop")), occurred_at=ago(2)),
    )
    for value, by in (("ann", "user_id"), ("phone", "anonymous_id"), ("laptop", "anonymous_id")):
        found = await show(http, value, by=by)
        assert found["traits"] == {"plan": "new", "city": "Rome"}
        assert found["country"] == "IT"
        assert [one["value"] for one in found["identities"]] == ["ann", "laptop", "phone"]  # type: ignore[attr-defined]
        assert len(found["history"]) == 2  # type: ignore[arg-type]


async def test_of_somebody_who_refused_no_more_is_shown_than_who_they_are(
    http: httpx.AsyncClient, put: Put, db: Database, settings: Settings, publisher: Publisher, catalogue: dict[str, int], tenant: int
) -> None:
    await tell(put)
    await states.Applier(db, settings, publisher, tenant).apply()
    await consent.set_consent(db, settings, tenant, "ann", False)  # the worker has not come to it yet
    found = await show(http, "ann")
    assert found["personalisation"] is False
    assert [found[name] for name in ("last_seen", "history", "bought", "counts", "visits", "cart")] == [None, [], [], {}, [], []]


async def test_nobody_is_404_and_an_unknown_kind_of_id_422(http: httpx.AsyncClient, put: Put, catalogue: dict[str, int]) -> None:
    await tell(put)
    for path in ("nobody", "device", "ann?by=anonymous_id", "a%00b", "%20"):
        answer = await http.get(f"/v1/admin/people/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path
    assert (await http.get("/v1/admin/people/ann?by=name")).status_code == 422


@pytest.mark.parametrize(("scope", "status"), [(Scope.PROFILES, 200), (Scope.ADMIN_READ, 200), (Scope.EVENTS, 403)])
async def test_profiles_are_shown_to_who_may_read_them(
    http: httpx.AsyncClient, put: Put, access: Access, db: Database, settings: Settings, catalogue: dict[str, int], tenant: int,
    scope: Scope, status: int,
) -> None:  # fmt: skip
    await tell(put)
    made = await access_service.create_client(db, settings, tenant, NewClient(name="reader", kind=ClientKind.SERVICE, scopes=[scope]))
    key = await access_service.create_key(db, tenant, made.client_id, NewKey())
    await access.refresh()
    assert (await http.get("/v1/admin/people/ann", headers={"X-Api-Key": key.key})).status_code == status


async def test_the_command_line_shows_the_same(http: httpx.AsyncClient, put: Put, settings: Settings, catalogue: dict[str, int]) -> None:
    await tell(put)
    names = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url, "DATA_DIR": str(settings.data_dir)}
    environment = {**os.environ, **{f"MORSEL_{name}": value for name, value in names.items()}}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "app.cli", "people", "show", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=Path(__file__).resolve().parents[3])

    done = run("device", "--by", "anonymous_id")
    assert done.returncode == 0, done.stderr
    assert {**at_rest(json.loads(done.stdout)), "audit_name": ""} == {"audit_name": "", **await show(http, "ann")}
    done = run("nobody")
    assert (done.returncode, done.stdout) == (1, "")
    assert "nobody is known" in done.stderr
