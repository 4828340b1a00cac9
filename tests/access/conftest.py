"""A small app with the access routes and one protected route, on real servers."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI
from slowapi.errors import RateLimitExceeded

from app.access import service
from app.access.cors import WebsiteCors
from app.access.deps import require
from app.access.domain import ClientKind, Principal, Scope
from app.access.limits.leases import Limiter
from app.access.limits.refusals import on_limit_exceeded
from app.access.routes import accounts as accounts_api
from app.access.routes import clients as api
from app.access.routes import oauth
from app.access.runtime import Access
from app.access.schemas import CreatedClient, NewClient
from app.access.tokens.rotation import load_directory
from app.core import errors
from app.core.db import Database
from app.core.settings import Settings


def build_app(access: Access) -> FastAPI:
    """Return an app with the access routes, `/v1/catalogue` (scope catalog) and `/v1/recommendations` (scope recommend)."""
    app = FastAPI(redirect_slashes=False)
    app.state.access = access
    app.state.limiter = access.limiter
    errors.install(app)
    app.add_exception_handler(RateLimitExceeded, on_limit_exceeded)
    app.add_middleware(WebsiteCors)
    app.include_router(oauth.router)
    app.include_router(api.router)
    app.include_router(accounts_api.door)
    app.include_router(accounts_api.router)

    @app.get("/v1/catalogue")
    async def catalogue(caller: Annotated[Principal, Depends(require(Scope.CATALOG))]) -> dict[str, Any]:
        return {"client_id": caller.client_id, "tenant": caller.tenant}

    @app.get("/v1/recommendations")
    async def recommendations(caller: Annotated[Principal, Depends(require(Scope.RECOMMEND))]) -> dict[str, Any]:
        return {"client_id": caller.client_id, "public": caller.public}

    return app


@pytest.fixture
async def access(settings: Settings, db: Database) -> AsyncIterator[Access]:
    """The access part of a server."""
    limiter = Limiter.connect(settings.redis_url, settings)
    yield Access(settings, db, limiter, await load_directory(db, settings))
    await limiter.close()


@pytest.fixture
def app(access: Access) -> FastAPI:
    """The app over it."""
    return build_app(access)


@pytest.fixture
async def http(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the app; an exception that no handler caught fails the test."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://morsel.test") as client:
        yield client


BOTH = (Scope.CATALOG, Scope.RECOMMEND)
Maker = Callable[..., Awaitable[CreatedClient]]


@pytest.fixture
def make(access: Access, db: Database, settings: Settings, tenant: int) -> Maker:
    """Create a client and let the server see it."""

    async def create(
        kind: ClientKind = ClientKind.SERVICE, scopes: tuple[Scope, ...] = (Scope.CATALOG, Scope.RECOMMEND), **more: Any
    ) -> CreatedClient:
        made = await service.create_client(
            db, settings, more.pop("tenant", tenant), NewClient(name="a shop", kind=kind, scopes=list(scopes), **more)
        )
        await access.refresh()
        return made

    return create


@pytest.fixture
def token(http: httpx.AsyncClient) -> Callable[[CreatedClient], Awaitable[str]]:
    """Get an access token over HTTP."""

    async def get(client: CreatedClient, **form: str) -> str:
        answer = await http.post(
            "/oauth/token", data={"grant_type": "client_credentials", **form}, auth=(client.client_id, client.client_secret or "")
        )
        assert answer.status_code == 200, answer.text
        text: str = answer.json()["access_token"]
        return text

    return get
