"""Consent over HTTP."""

import asyncio

import httpx
import pytest

from app.core.db import Database
from app.core.settings import Settings
from app.data.online.publisher import Publisher
from app.data.people import states


async def test_consent_is_stored_and_applied_while_the_caller_waits(
    http: httpx.AsyncClient, db: Database, settings: Settings, publisher: Publisher, tenant: int
) -> None:
    async def deliver() -> None:
        for _ in range(40):
            await asyncio.sleep(0.05)
            if await states.deliver(db, settings, publisher, tenant):
                return

    answer, _ = await asyncio.gather(http.put("/v1/admin/people/ann%40x.example/consent", json={"personalisation": False}), deliver())
    assert answer.status_code == 200
    assert {name: value for name, value in answer.json().items() if name != "purposes"} == {
        "user_id": "ann@x.example", "personalisation": False, "applied": True,
    }  # fmt: skip
    assert answer.json()["purposes"]["personalisation"] is False
    assert (await db.rows("select consent from person"))[0][0] == 0


async def test_without_a_worker_consent_is_stored_and_said_not_to_be_applied(http: httpx.AsyncClient, db: Database) -> None:
    answer = await http.put("/v1/admin/people/ann/consent", json={"personalisation": True})
    assert answer.json()["applied"] is False
    assert (await db.rows("select consent from person"))[0][0] == 1


@pytest.mark.parametrize("body", [{}, {"personalisation": "no"}, {"personalisation": 0}, {"personalisation": None}, [], "x"])
async def test_a_consent_that_is_not_clear_is_refused(http: httpx.AsyncClient, db: Database, body: object) -> None:
    assert (await http.put("/v1/admin/people/ann/consent", json=body)).status_code == 422
    assert (await db.rows("select count(*) from person"))[0][0] == 0


async def test_an_id_that_cannot_be_stored_is_refused(http: httpx.AsyncClient) -> None:
    for bad in ("a%00b", "%20", "x" * 300):
        assert (await http.put(f"/v1/admin/people/{bad}/consent", json={"personalisation": True})).status_code == 422
