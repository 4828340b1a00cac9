"""A tiny shop for serving tests: items, people with tastes, trained models, and a client that calls the whole application."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import numpy as np
from fastapi import FastAPI

from app import worker
from app.access import service as access
from app.access.domain import ClientKind, KeyKind, Scope
from app.access.schemas import NewClient, NewKey
from app.content.templates import service as templates
from app.core.db import Database
from app.core.embedded import Urls
from app.core.ids import DEFAULT_TENANT
from app.core.settings import Settings
from app.data.catalogue.service import put_items
from app.data.events import store
from app.data.events.accept import accept
from app.data.events.domain import Event, message_key
from app.data.identity.vault import DataKeys
from app.data.kinds import Kind
from app.decisions.placements import service as placements
from app.main import create_app
from app.ml.popularity.service import refresh_popular
from app.ml.training.service import train
from app.plugins import RECOMMENDERS

CATEGORIES = ("Shoes", "Shirts", "Hats", "Bags")
GROUPS = 120


def document(number: int) -> dict[str, Any]:
    """Return a plain item; four categories take turns."""
    return {
        "id": f"i{number}",
        "title": f"Item {number}",
        "link": f"https://shop.example/i{number}",
        "image_link": f"https://shop.example/i{number}.png",
        "price": f"{10 + number}.90 GBP",
        "brand": "Acme",
        "category": CATEGORIES[number % 4],
        "availability": "in_stock",
    }


def events(people: int = 160, *, seed: int = 7) -> list[Event]:
    """Return purchases and views of people who each like one category."""
    random = np.random.default_rng(seed)
    made = []
    for person in range(people):
        for step in range(12):
            number = int(random.integers(0, GROUPS // 4)) * 4 + person % 4
            kind = Kind.PURCHASE if step % 3 == 0 else Kind.VIEW
            made.append(
                Event(
                    datetime.now(UTC) - timedelta(days=float(random.uniform(0.1, 60))),
                    message_key(f"{person}-{step}"),
                    ((1, f"u{person}"),),
                    kind,
                    item_id=f"i{number}",
                    order_id=f"o{person}-{step}" if kind is Kind.PURCHASE else None,
                    country="GB",
                )
            )
    return made


async def add_events(db: Database, settings: Settings, wanted: list[Event]) -> None:
    """Store events as a stream would."""
    async with db.begin() as connection:

        async def claim(ids: Any) -> set[bytes]:
            return await store.claim_messages(connection, DEFAULT_TENANT, ids)

        await accept(connection, DEFAULT_TENANT, wanted, keys=DataKeys(settings), claim=claim)


@dataclass
class Shop:
    """A running shop: its application, database, and a client with a key of every scope."""

    app: FastAPI
    db: Database
    settings: Settings
    http: httpx2.AsyncClient
    key: str

    async def get(self, path: str = "/v1/recommendations", **params: Any) -> httpx2.Response:
        """Call a serving route with the key."""
        return await self.http.get(path, params=params, headers={"X-Api-Key": self.key})

    async def settled(self) -> None:
        """Make the server look for changes now."""
        assert await self.app.state.resources.holder.refresh()

    async def until(self, wanted: Any, seconds: float = 10.0) -> Any:
        """Wait until an awaitable condition gives something true, and return it."""
        end = asyncio.get_running_loop().time() + seconds
        while True:
            found = await wanted()
            if found or asyncio.get_running_loop().time() > end:
                return found
            await asyncio.sleep(0.05)


async def stock(db: Database, settings: Settings, *, models: bool = True) -> None:
    """Give a fresh database items, events, placements, popular lists and models."""
    await put_items(db, settings, DEFAULT_TENANT, [document(n) for n in range(GROUPS)])
    await add_events(db, settings, events())
    await templates.add_defaults(db, DEFAULT_TENANT)
    await placements.add_defaults(db, DEFAULT_TENANT)
    await refresh_popular(db, DEFAULT_TENANT)
    if models:
        await train(db, settings, DEFAULT_TENANT, ["personal", "item_to_item"], RECOMMENDERS)


async def stocked(settings: Settings) -> None:
    """Stock the shop of these settings, and leave its database."""
    db = Database(settings.database_url)
    await stock(db, settings)
    await db.close()


async def a_key(db: Database, settings: Settings, *, kind: ClientKind = ClientKind.ESP, rate: str | None = None) -> str:
    """Create a client with all scopes its kind may hold, and return a key."""
    wanted = NewClient(name="test", kind=kind, scopes=[Scope.ADMIN], rate_limit=rate)
    client = await access.create_client(db, settings, DEFAULT_TENANT, wanted)
    return (await access.create_key(db, DEFAULT_TENANT, client.client_id, NewKey(kind=KeyKind.API))).key


@asynccontextmanager
async def running(settings: Settings, db: Database, *, rate: str | None = None, work: bool = True) -> AsyncIterator[Shop]:
    """Run the application and the background worker over a stocked database."""
    key = await a_key(db, settings, rate=rate)
    app = create_app(settings)
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(settings, Urls(settings.database_url, settings.redis_url), stop)) if work else None
    try:
        async with app.router.lifespan_context(app):
            transport = httpx2.ASGITransport(app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://test") as http:
                yield Shop(app, db, settings, http, key)
    finally:
        stop.set()
        if task is not None:
            await task
