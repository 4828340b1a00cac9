"""The server: lifespan, middleware, and every router in one visible list."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from pydantic import BaseModel
from slowapi.errors import RateLimitExceeded
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.access import api as access_api
from app.access import oauth
from app.access.cors import WebsiteCors
from app.access.limits import on_limit_exceeded
from app.content.templates import api as templates_api
from app.core import errors, logging, telemetry
from app.core import settings as core_settings
from app.core.settings import Settings
from app.data.catalog import api as catalog_api
from app.data.events import api as events_api
from app.data.events.refusals import api as refusals_api
from app.data.people import api as people_api
from app.data.signals import api as signals_api
from app.decisions.placements import api as placements_api
from app.ml.registry import api as models_api
from app.serving import api as serving_api
from app.serving import pixel, redirect
from app.serving.door import Door, Server, is_hot
from app.serving.sends import api as sends_api
from app.widget import api as widget_api
from app.wiring import resources

ROUTERS = (
    oauth.router,
    access_api.router,
    serving_api.router,
    redirect.router,
    pixel.router,
    catalog_api.router,
    events_api.router,
    refusals_api.router,
    people_api.router,
    signals_api.router,
    placements_api.router,
    templates_api.router,
    models_api.router,
    widget_api.router,
    sends_api.router,
)


class Health(BaseModel):
    """Whether this process lives, or can answer."""

    status: str


class Morsel(FastAPI):
    """The application; the two serving routes are answered in front of it once the server is up."""

    hot: ASGIApp | None = None
    server: Server | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        if self.hot is not None and is_hot(scope):
            scope["app"] = self
            await self.hot(scope, receive, send)
            return
        await super().__call__(scope, receive, errors.telling(send))

    def open_door(self, server: Server) -> None:
        """Let the serving routes pass by the framework, and under uvicorn by ASGI too (`app.serving.wire`)."""
        self.hot, self.server = WebsiteCors(Door(super().__call__)), server


def create_app(settings: Settings | None = None) -> Morsel:
    """Build the application; settings come from the environment unless given."""
    chosen = settings or core_settings.load()
    logging.configure(chosen.log_level, chosen.log_format)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with resources(chosen) as built:
            app.state.settings, app.state.db = built.settings, built.db
            app.state.access, app.state.server = built.access, built.server
            app.state.ranker, app.state.redirector, app.state.intake = built.ranker, built.redirector, built.intake
            app.state.pixel, app.state.refusals, app.state.resources = built.pixel, built.refusals, built
            made.open_door(built.server)
            yield

    app = made = Morsel(
        title="Morsel",
        version="0.1.0",
        description="Personal content that is ready to show.",
        lifespan=lifespan,
        redirect_slashes=False,
        max_body_size=chosen.max_body_bytes,
    )
    errors.install(app)
    app.add_exception_handler(RateLimitExceeded, on_limit_exceeded)
    app.add_middleware(WebsiteCors)
    for router in ROUTERS:
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
