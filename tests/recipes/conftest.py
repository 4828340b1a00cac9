"""A stocked shop behind a real server, with the credentials that the recipe pages tell to make."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx2
import pytest

from app.access import service as access
from app.access.domain import ClientKind, KeyKind, Scope
from app.access.schemas import NewClient, NewKey
from app.core.db import Database
from app.core.ids import DEFAULT_TENANT
from app.core.settings import Settings
from tests.e2e.serving import served
from tests.serving.shop import stock

PLACEMENTS = ["email-grid", "email-hero"]


@dataclass
class Live:
    """A running server and an e-mail platform's credentials for it."""

    address: str
    key: str
    client_id: str
    client_secret: str

    def filled(self, template: str) -> str:
        """Put the real server and key into a template of a page."""
        return template.replace("https://morsel.example.com", self.address).replace("KEY", self.key)


@pytest.fixture
async def live(settings: Settings, db: Database) -> AsyncIterator[Live]:
    """The server of the recipes, once it gives personal answers."""
    await stock(db, settings)
    wanted = NewClient(name="Platform", kind=ClientKind.ESP, scopes=[Scope.RECOMMEND], rate_limit="300000/minute")
    client = await access.create_client(db, settings, DEFAULT_TENANT, wanted)
    key = await access.create_key(db, DEFAULT_TENANT, client.client_id, NewKey(kind=KeyKind.URL, placements=PLACEMENTS))
    assert client.client_secret
    with served(settings) as address:
        made = Live(address, key.key, client.client_id, client.client_secret)
        with httpx2.Client(base_url=address, headers={"X-Api-Key": key.key}) as http:
            end = time.monotonic() + 30
            while http.get("/v1/recommendations", params={"placement": "email-grid", "user_id": "u1"}).json()["fallback"]:
                assert time.monotonic() < end, "no personal answer came"
                await asyncio.sleep(0.1)
        yield made
