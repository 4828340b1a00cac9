"""The server: lifespan, middleware, and every router in one visible list."""

from collections.abc import AsyncIterator, Container
from contextlib import asynccontextmanager
from dataclasses import fields
from functools import partial
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request
from pydantic import BaseModel
from slowapi.errors import RateLimitExceeded
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.access.cors import WebsiteCors
from app.access.limits.refusals import on_limit_exceeded
from app.access.routes import accounts as accounts_api
from app.access.routes import clients as clients_api
from app.access.routes import oauth
from app.core import errors, logging, parent, telemetry
from app.core import settings as core_settings
from app.core.deadline import Deadline
from app.core.settings import Settings
from app.data.catalogue import api as catalog_api
from app.data.engagement import api as signals_api
from app.data.events import api as events_api
from app.data.events.door import EventsDoor
from app.data.events.refused import api as refusals_api
from app.data.events.tail import api as tail_api
from app.data.people import api as people_api
from app.data.uploads import api as uploads_api
from app.decisions.clusters import api as clusters_api
from app.decisions.segments import api as segments_api
from app.decisions.segments import dry_run as segments_dry_run
from app.decisions.segments import listing as segments_list
from app.documents import api as documents_api
from app.documents.kinds import Facts, named_items
from app.home import api as home_api
from app.ml.registry import api as models_api
from app.operations import answers
from app.operations import api as operations_api
from app.operations import signals as signal_series
from app.operations.items import api as items_api
from app.plugins import DOCUMENTS, RECOMMENDERS, document_kind, users
from app.sends import api as sends_api
from app.serving import comparing, preview
from app.serving.clickback import clicks, pixel
from app.serving.dry_run import api as dry_run_api
from app.serving.dry_run.runs import api as dry_runs_api
from app.serving.edge import routes as serving_api
from app.serving.edge.asgi import Door, Server, is_hot
from app.serving.render.samples import samples
from app.serving.snapshot.facts import facts_of
from app.widget import api as widget_api
from app.wiring import Resources, resources

ROUTERS = (
    oauth.router,
    clients_api.router,
    accounts_api.door,
    accounts_api.router,
    serving_api.router,
    clicks.router,
    pixel.router,
    catalog_api.admin,
    catalog_api.router,
    uploads_api.router,
    events_api.router,
    refusals_api.router,
    tail_api.router,
    answers.router,  # before the route of a person, whose id may hold slashes
    people_api.router,
    signals_api.router,
    segments_list.router,
    segments_dry_run.router,
    segments_api.router,  # before the documents: it says more of one
    clusters_api.router,
    *(documents_api.router(document_kind(plural), users) for plural in DOCUMENTS),
    *(preview.router(document_kind(plural)) for plural in ("placements", "templates")),
    *(dry_run_api.router(document_kind(plural)) for plural in ("placements", "rules", "templates")),
    dry_runs_api.router,
    comparing.router(document_kind("placements")),
    models_api.router,
    widget_api.router,
    sends_api.router,
    operations_api.router,
    items_api.router,
    signal_series.router,
    home_api.router,
)


async def _facts(built: Resources, tenant: int, written: Any) -> Facts | None:
    """Return what checks may know of a tenant's shop, about a document that was written."""
    snapshot = built.holder.current.get(tenant)
    return await facts_of(built.db, snapshot, RECOMMENDERS, named_items(written), partial(samples, snapshot))


class Health(BaseModel):
    """Whether this process lives, or can answer."""

    status: str


class Morsel(FastAPI):
    """The application; the routes of answers and events are answered in front of it once the server is up."""

    hot: ASGIApp | None = None
    events: ASGIApp | None = None
    calls: Container[str] = ()
    server: Server | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        if self.hot is not None and is_hot(scope):
            scope["app"] = self
            await self.hot(scope, receive, send)
            return
        if self.events is not None and scope.get("path") in self.calls:
            scope["app"] = self
            await self.events(scope, receive, send)
            return
        await super().__call__(scope, receive, errors.telling(send))

    def open_doors(self, built: Resources) -> None:
        """Let the routes of answers and events pass by the framework, answers under uvicorn by ASGI too (`app.serving.edge.protocol`)."""
        self.hot, self.server = WebsiteCors(Door(super().__call__)), built.server
        door = EventsDoor(super().__call__)
        self.events, self.calls = WebsiteCors(Deadline(door)), door.calls


def create_app(settings: Settings | None = None) -> Morsel:
    """Build the application; settings come from the environment unless given."""
    chosen = settings or core_settings.load()
    logging.configure(chosen.log_level, chosen.log_format)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        parent.end_with_parent()
        async with resources(chosen) as built:
            for one in fields(built):
                setattr(app.state, one.name, getattr(built, one.name))
            app.state.resources = built
            app.state.facts = partial(_facts, built)
            made.open_doors(built)
            yield

    app = made = Morsel(
        title="Morsel",
        version=version("morsel"),
        description="Personal content that is ready to show.",
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        max_body_size=chosen.max_body_bytes,
    )
    errors.install(app)
    app.add_exception_handler(RateLimitExceeded, on_limit_exceeded)
    app.add_middleware(Deadline)
    app.add_middleware(WebsiteCors)
    for router in (*ROUTERS, events_api.others()):
        app.include_router(router)
    _add_health(app)
    return app


def _add_health(app: FastAPI) -> None:
    @app.get("/livez", tags=["health"])
    async def livez() -> Health:
        """Say that the process lives."""
        return Health(status="ok")

    @app.get("/readyz", tags=["health"], responses={503: {"model": Health, "description": "No snapshot has been loaded yet."}})
    async def readyz(request: Request) -> Response:
        """Say whether this process can answer; only a missing snapshot makes it say no."""
        ready = request.app.state.server.holder.ready
        return JSONResponse({"status": "ok" if ready else "no snapshot"}, 200 if ready else 503)

    @app.get("/metrics", tags=["health"], response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """Give the telemetry of all workers in the Prometheus text format."""
        return Response(telemetry.metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")
