"""An app with the data routes on real servers, a filled catalogue, and ways to put events in."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.access import service as access_service
from app.access.domain import ClientKind, Scope
from app.access.gate import Access
from app.access.limits import Limiter
from app.access.rotation import load_directory
from app.access.schemas import NewClient, NewKey
from app.core import errors, redis
from app.core.db import Database
from app.core.settings import Settings
from app.data.catalog import api as catalog_api
from app.data.catalog import service as catalog
from app.data.events import api as events_api
from app.data.events import store
from app.data.events.domain import Event, Kind, message_key
from app.data.events.intake import Intake
from app.data.events.refusals import api as refusals_api
from app.data.events.refusals.service import Refusals
from app.data.events.service import Accepted, accept
from app.data.people import api as people_api
from app.data.people.keys import DataKeys
from app.data.people.publish import Publisher
from app.data.signals import api as signals_api


@pytest.fixture
async def access(settings: Settings, db: Database) -> AsyncIterator[Access]:
    """The access part of a server."""
    limiter = Limiter.connect(settings.redis_url, settings)
    yield Access(settings, db, limiter, await load_directory(db, settings))
    await limiter.close()


@pytest.fixture
async def http(access: Access, settings: Settings, db: Database, tenant: int) -> AsyncIterator[httpx.AsyncClient]:
    """A client that may do everything; an exception that no handler caught fails the test."""
    app = FastAPI(redirect_slashes=False)
    app.state.access, app.state.limiter, app.state.db, app.state.settings = access, access.limiter, db, settings
    app.state.intake = Intake(db, DataKeys(settings), most_bytes=64_000_000)
    app.state.refusals = Refusals(db, DataKeys(settings), most_bytes=64_000_000)
    errors.install(app)
    for router in (catalog_api.router, events_api.router, refusals_api.router, people_api.router, signals_api.router):
        app.include_router(router)
    client = await access_service.create_client(
        db, settings, tenant, NewClient(name="a shop", kind=ClientKind.SERVICE, scopes=[Scope.ADMIN])
    )
    key = await access_service.create_key(db, tenant, client.client_id, NewKey())
    await access.refresh()
    headers = {"X-Api-Key": key.key}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://morsel.test", headers=headers) as found:
        yield found


@pytest.fixture
async def publisher(settings: Settings) -> AsyncIterator[Publisher]:
    """A writer to the test's Redis."""
    nodes = redis.Nodes(settings.redis_url, timeout_ms=2000)
    yield Publisher(nodes, settings.state_ttl_days)
    await nodes.aclose()


@pytest.fixture
def keys(settings: Settings) -> DataKeys:
    """The keys of people."""
    return DataKeys(settings)


@pytest.fixture
async def catalogue(db: Database, settings: Settings, tenant: int) -> dict[str, int]:
    """Items a to e, where d and e are one group; returns the group number of each."""
    documents = [{"id": name, "title": name, "price": "10 GBP"} for name in "abc"]
    documents += [{"id": name, "title": name, "item_group_id": "de"} for name in "de"]
    await catalog.put_items(db, settings, tenant, documents)
    return {row[0]: row[1] for row in await db.rows("select item_id, group_no from item")}


Put = Callable[..., Awaitable[Accepted]]


def event(number: int, user: str = "ann", item: str | None = "a", kind: Kind = Kind.VIEW, **more: Any) -> Event:
    """Return an event that happened `number` minutes into 2024."""
    occurred = more.pop("occurred_at", datetime.fromtimestamp(1_704_067_200 + 60 * number, UTC))
    message = more.pop("message_id", message_key(f"m{number}"))
    return Event(occurred, message, more.pop("identities", ((1, user),)), kind, item_id=item, **more)


@pytest.fixture
def put(db: Database, keys: DataKeys, tenant: int) -> Put:
    """Store events as a stream does."""

    async def store_events(*events: Event) -> Accepted:
        async with db.begin() as connection:
            return await accept(connection, tenant, events, keys=keys, claim=lambda ids: store.claim_messages(connection, tenant, ids))

    return store_events
