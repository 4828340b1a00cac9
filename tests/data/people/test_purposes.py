"""Consent by purpose: what was said, defaults by country, Global Privacy Control, merges, and all ways in."""

import itertools
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from app.access import service as access_service
from app.access.domain import ClientKind, KeyKind, Scope
from app.access.runtime import Access
from app.access.schemas import NewClient, NewKey
from app.core.db import Database
from app.core.settings import Settings
from app.data import outbox
from app.data.identity import purposes as rules
from app.data.identity.purposes import Defaults, Kept, purposes, say
from app.data.kinds import Kind
from tests.data.conftest import Put, event

ALL = dict.fromkeys(rules.PURPOSES, True)
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker runs beside: nobody is waited for."""
    from app.data.privacy import consent

    monkeypatch.setattr(consent.wait_applied, "__defaults__", (0.0,))


async def shown(http: httpx.AsyncClient, user: str = "ann", by: str = "user_id") -> dict[str, tuple[bool, str]]:
    found = (await http.get(f"/v1/admin/people/{user}", params={"by": by})).json()["purposes"]
    return {name: (one["granted"], one["source"]) for name, one in found.items()}


def test_who_said_nothing_has_what_holds_in_their_country() -> None:
    defaults = Defaults.of(
        Settings(consent_defaults={"default": {"sale": False}, "de, FR": {"tracking": False}}, default_consent=False)  # type: ignore[arg-type]
    )
    assert purposes([], None, "US", defaults) == ALL | {"sale": False, "personalisation": False}
    assert purposes([], None, "FR", defaults) == ALL | {"sale": False, "tracking": False, "personalisation": False}
    assert purposes([], True, None, defaults)["personalisation"] is True
    assert purposes([say({}, {"tracking": True}, "api", 1)], None, "DE", defaults)["tracking"] is True
    assert defaults.strictest == {"personalisation": False, "analytics": True, "email": True, "tracking": False, "sale": False}
    assert purposes([], None, None, Defaults()) == ALL


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "no JSON"), ("[]", "by country"), ('{"Germany": {}}', "countries of two letters"), ('{"DE": {"ads": false}}', "is none of"),
        ('{"DE": {"personalisation": false}}', "MORSEL_DEFAULT_CONSENT"),
        ('{"DE": {"sale": 0}}', "true or false"), ('{"DE": true}', "by country"),
    ],
)  # fmt: skip
def test_defaults_by_country_are_read_from_the_environment_and_checked(monkeypatch: pytest.MonkeyPatch, text: str, why: str) -> None:
    monkeypatch.setenv("MORSEL_CONSENT_DEFAULTS", '{"default": {"email": false}, "DE": {"tracking": false}}')
    assert Settings().consent_defaults == {"default": {"email": False}, "DE": {"tracking": False}}
    monkeypatch.setenv("MORSEL_CONSENT_DEFAULTS", text)
    with pytest.raises(ValidationError, match=why):
        Settings()


def test_the_browsers_signal_is_a_no_that_only_a_yes_of_later_overrules_however_often_it_comes() -> None:
    steps: list[tuple[dict[str, bool], int, bool]] = [({"sale": True, "email": True}, 1, False), ({}, 5, True), ({}, 9, True)]
    yes = ({"sale": True, "tracking": True}, 7, False)
    for order in itertools.permutations(steps):
        kept: Kept = {}
        for said, at, gpc in order:
            kept = say(kept, said, "api", at, gpc=gpc)
        assert purposes([kept], None, None, Defaults()) == ALL | {"sale": False, "tracking": False}
    for order in itertools.permutations([*steps, yes]):
        kept = {}
        for said, at, gpc in order:
            kept = say(kept, said, "api", at, gpc=gpc)
        assert purposes([kept], None, None, Defaults()) == ALL
    kept = say(kept, {"sale": False}, "api", 8)
    assert purposes([kept], None, None, Defaults()) == ALL | {"sale": False}


def test_of_several_ids_the_newest_word_counts_in_any_order_and_of_two_at_one_moment_the_no() -> None:
    members = [
        say({}, {"email": True}, "api", 3),
        say({}, {"email": False}, "identify", 3),
        say({}, {"email": True, "sale": False}, "api", 1),
    ]
    for order in itertools.permutations(members):
        assert purposes(order, None, None, Defaults()) == ALL | {"email": False, "sale": False}
    assert purposes([*members, say({}, {"email": True}, "api", 4)], None, None, Defaults()) == ALL | {"sale": False}


async def test_consent_by_purpose_is_stored_beside_that_to_personal_answers(http: httpx.AsyncClient, db: Database, tenant: int) -> None:
    path = "/v1/admin/people/ann/consent"
    answer = await http.put(path, json={"tracking": False, "sale": False})
    assert answer.json() == {
        "user_id": "ann", "personalisation": None, "purposes": ALL | {"tracking": False, "sale": False}, "applied": False,
    }  # fmt: skip
    assert [one.kind for one in await outbox.letters(db, tenant)] == ["consent"]
    answer = await http.put(path, json={"personalisation": True, "sale": True})
    assert (answer.json()["personalisation"], answer.json()["purposes"]) == (True, ALL | {"tracking": False})
    assert await shown(http) == {
        "personalisation": (True, "api"), "analytics": (True, "default"), "email": (True, "default"), "tracking": (False, "api"),
        "sale": (True, "api"),
    }  # fmt: skip
    notes = [row[0] for row in await db.rows("select note from audit where what = 'consent' order by at")]
    assert notes == ["tracking withdrawn, sale withdrawn", "personalisation given, sale given"]
    for body in ({"trackin": False}, {"tracking": None}, {"tracking": "no"}, {}):
        assert (await http.put(path, json=body)).status_code == 422, body


async def test_segments_consent_object_says_purposes_and_what_it_could_not_say(http: httpx.AsyncClient) -> None:
    said = {"Analytics": False, "Targeted Advertising": True, "data_sharing": False, "C0009": True, "email": "yes", "tracking": True}
    context = {"consent": {"categoryPreferences": said}}
    answer = (await http.post("/v1/identify", json={"userId": "ann", "context": context})).json()
    assert [one["warning"] for one in answer["warnings"]] == [
        "consent category C0009 is none of personalisation, analytics, email, tracking, sale: it was left out",
        "consent category email is neither true nor false: it was left out",
    ]
    found = await shown(http)
    assert found["analytics"] == (False, "identify")
    assert found["sale"] == (False, "identify"), "of two categories of one purpose the no counts"
    assert found["tracking"] == (True, "identify")
    assert found["email"] == (True, "default")
    answer = (
        await http.post("/v1/track", json={"userId": "ann", "event": "x", "context": {"consent": {"categoryPreferences": {"C9": True}}}})
    ).json()
    assert answer["warnings"] == [], "messages that repeat it do not tell it each time"


async def test_personal_answers_are_refused_and_wanted_again_by_events_of_later_only(
    http: httpx.AsyncClient, db: Database, tenant: int
) -> None:
    def message(granted: bool, minutes: int, **more: Any) -> dict[str, Any]:
        context = {"consent": {"categoryPreferences": {"personalization": granted}}}
        return {
            "type": "track",
            "event": "x",
            "userId": "ann",
            "timestamp": (NOW - timedelta(minutes=minutes)).isoformat(),
            "context": context,
        }

    async def send(*messages: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = (await http.post("/v1/batch", json={"batch": [*messages]})).json()
        return found

    assert (await send(message(True, 50)))["accepted"] == 1
    assert (await shown(http))["personalisation"] == (True, "identify")
    answer = await send(message(False, 40), message(True, 45))
    assert [one["reason"] for one in answer["refused"]] == ["the person withdrew consent"] * 2
    assert (await shown(http))["personalisation"] == (False, "identify")
    assert (await db.rows("select count(*) from event"))[0][0] == 1
    assert (await send(message(True, 44)))["accepted"] == 0, "an older yes that comes late changes nothing"
    assert (await send(message(True, 30)))["accepted"] == 1
    assert (await shown(http))["personalisation"] == (True, "identify")
    await http.put("/v1/admin/people/ann/consent", json={"personalisation": False})
    assert (await send(message(True, 20)))["accepted"] == 0
    assert len(await outbox.letters(db, tenant)) >= 4


async def test_gpc_comes_by_header_from_browsers_and_by_context_from_all(
    http: httpx.AsyncClient, access: Access, db: Database, settings: Settings, tenant: int
) -> None:
    site = NewClient(name="site", kind=ClientKind.WEBSITE, scopes=[Scope.EVENTS], origins=["https://shop.example"])
    client = await access_service.create_client(db, settings, tenant, site)
    key = await access_service.create_key(db, tenant, client.client_id, NewKey(kind=KeyKind.WEBSITE, origins=["https://shop.example"]))
    await access.refresh()
    for headers, user in (({"Sec-GPC": "1"}, "stop"), ({"Sec-GPC": "0"}, "go")):
        more = {"X-Api-Key": key.key, "Origin": "https://shop.example", **headers}
        answer = await http.post("/v1/track", json={"anonymousId": user, "event": "x"}, headers=more)
        assert answer.status_code == 200, answer.text
    assert {name for name, one in (await shown(http, "stop", "anonymous_id")).items() if one == (False, "gpc")} == {"tracking", "sale"}
    assert all(granted for granted, _ in (await shown(http, "go", "anonymous_id")).values())
    await http.post("/v1/track", json={"userId": "ann", "event": "x"}, headers={"Sec-GPC": "1"})
    assert (await shown(http))["sale"] == (True, "default"), "a server's own requests bear no person's signal"
    await http.post("/v1/track", json={"userId": "ann", "event": "x", "context": {"gpc": True}})
    assert (await shown(http))["sale"] == (False, "gpc")
    await http.put("/v1/admin/people/ann/consent", json={"sale": True})
    await http.post("/v1/track", json={"userId": "ann", "event": "x", "context": {"gpc": True}})
    assert (await shown(http))["sale"] == (True, "api")


async def test_what_somebody_who_refused_says_of_other_purposes_counts_though_the_event_is_not_kept(
    http: httpx.AsyncClient, db: Database, tenant: int
) -> None:
    await http.put("/v1/admin/people/ann/consent", json={"personalisation": False})
    before = len(await outbox.letters(db, tenant))
    for _ in range(2):
        await http.post("/v1/batch", json={"batch": [{"type": "track", "userId": "ann", "event": "x", "context": {"gpc": True}}]})
    assert (await shown(http))["tracking"] == (False, "gpc")
    assert (await db.rows("select count(*) from event"))[0][0] == 0
    assert len(await outbox.letters(db, tenant)) == before + 1, "the state follows, once"


async def test_a_merge_keeps_every_word(put: Put, http: httpx.AsyncClient) -> None:
    bare = {"item": None, "kind": Kind.NONE}
    await put(
        event(1, identities=((2, "phone"),), purposes={"email": False}, occurred_at=NOW - timedelta(hours=3), **bare),
        event(2, identities=((1, "ann"),), purposes={"sale": False}, country="DE", occurred_at=NOW - timedelta(hours=2), **bare),
        event(3, identities=((1, "ann"), (2, "phone")), occurred_at=NOW - timedelta(hours=1), **bare),
    )
    for user, by in (("ann", "user_id"), ("phone", "anonymous_id")):
        found = await shown(http, user, by)
        assert {name for name, one in found.items() if not one[0]} == {"email", "sale"}


def test_the_command_says_purposes(settings: Settings, database_url: str) -> None:
    names = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url, "DATA_DIR": str(settings.data_dir)}
    environment = {**os.environ, **{f"MORSEL_{name}": value for name, value in names.items()}}
    command = [sys.executable, "-m", "app.cli"]
    more = {"env": environment, "capture_output": True, "text": True, "timeout": 60}
    done = subprocess.run([*command, "consent", "ann", "--no", "--purpose", "tracking", "--purpose", "email"], **more)  # type: ignore[call-overload]
    assert (done.returncode, done.stdout[:6]) == (0, "stored"), done.stderr
    found = subprocess.run([*command, "people", "show", "ann"], **more)  # type: ignore[call-overload]
    assert found.stdout.count('"granted": false') == 2 or found.stdout.count('"granted":false') == 2, found.stdout
