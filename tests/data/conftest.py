"""An app with the data routes on real servers, a filled catalogue, and ways to put events in."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.access import service as access_service
from app.access.domain import ClientKind, Scope
from app.access.limits.leases import Limiter
from app.access.runtime import Access
from app.access.schemas import NewClient, NewKey
from app.access.tokens.rotation import load_directory
from app.core import errors, redis
from app.core.db import Database
from app.core.settings import Settings
from app.data.catalogue import api as catalog_api
from app.data.catalogue import service as catalog
from app.data.engagement import api as signals_api
from app.data.events import api as events_api
from app.data.events import store
from app.data.events.accept import Accepted, accept
from app.data.events.domain import Event, message_key
from app.data.events.intake import Intake
from app.data.events.refused import api as refusals_api
from app.data.events.refused.service import Refusals
from app.data.events.tail import api as tail_api
from app.data.identity.vault import DataKeys
from app.data.kinds import Kind
from app.data.online.publisher import Publisher
from app.data.people import api as people_api
from app.data.privacy import consent
from app.decisions.clusters import api as clusters_api
from app.decisions.clusters.kind import KIND as CLUSTER
from app.decisions.segments import api as segments_api
from app.decisions.segments import listing as segments_list
from app.decisions.segments.kind import KIND as SEGMENT
from app.documents import api as documents_api
from app.plugins import users


async def _no_facts(tenant: int, body: Any) -> None:
    """A server that has no snapshot."""


@pytest.fixture
async def access(settings: Settings, db: Database) -> AsyncIterator[Access]:
    """The access part of a server."""
    limiter = Limiter.connect(settings.redis_url, settings)
    yield Access(settings, db, limiter, await load_directory(db, settings))
    await limiter.close()


@pytest.fixture
async def http(
    access: Access, settings: Settings, db: Database, tenant: int, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx.AsyncClient]:
    """A client that may do everything; an exception that no handler caught fails the test. No worker brings changes to Redis."""
    monkeypatch.setattr(consent, "WAIT_S", 0.2)
    app = FastAPI(redirect_slashes=False)
    app.state.access, app.state.limiter, app.state.db, app.state.settings = access, access.limiter, db, settings
    app.state.intake = Intake(db, DataKeys(settings), most_bytes=64_000_000)
    app.state.facts = _no_facts
    app.state.refusals = Refusals(db, DataKeys(settings), most_bytes=64_000_000)
    errors.install(app)
    for router in (
        catalog_api.router,
        events_api.router,
        events_api.others(),
        refusals_api.router,
        tail_api.router,
        people_api.router,
        segments_list.router,
        segments_api.router,
        documents_api.router(SEGMENT, users),
        clusters_api.router,
        documents_api.router(CLUSTER, users),
        signals_api.router,
    ):
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
