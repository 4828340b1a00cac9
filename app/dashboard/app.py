"""The dashboard's application: pages, assets, and what happens when somebody is not signed in or the API is away."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import quote

from fastapi import FastAPI, Request
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from app.core import logging, parent
from app.core import settings as core_settings
from app.core.errors import Problem
from app.core.logging import log
from app.core.settings import Settings
from app.dashboard import api_client, assets, render, session
from app.dashboard.api_client import ApiAway, ApiProblem
from app.dashboard.context import NotSignedIn
from app.dashboard.pages import ROUTERS

# Pictures of a catalogue lie anywhere; everything else comes from here. A rendered letter is a document of its own, see `pages.preview`.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; connect-src 'self'; img-src 'self' http: https: data:; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_LARGEST_UPLOAD = 300_000_000


def create_app(settings: Settings | None = None, api_url: str = "") -> FastAPI:
    """Build the application; settings come from the environment unless given."""
    chosen = settings or core_settings.load()
    logging.configure(chosen.log_level, chosen.log_format)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        parent.end_with_parent()
        async with api_client.client(api_url or chosen.api_url or f"http://127.0.0.1:{chosen.port}") as http:
            app.state.http = http
            yield

    app = FastAPI(
        title="Morsel dashboard", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None, max_body_size=_LARGEST_UPLOAD
    )
    app.state.settings = chosen
    app.middleware("http")(_guarded)
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)
    for router in ROUTERS:
        app.include_router(router)

    @app.get("/static/{name}")
    async def static(name: str, request: Request) -> Response:
        """Return a style or a script."""
        return assets.answer(name, request.headers.get("accept-encoding", ""))

    @app.get("/livez")
    async def livez() -> JSONResponse:
        """Say that the process lives."""
        return JSONResponse({"status": "ok"})

    return app


async def _guarded(request: Request, forward: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await forward(request)
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response


async def _sign_in(request: Request, error: Exception) -> Response:
    if request.headers.get("x-csrf") or request.headers.get("accept") == "text/event-stream":
        # a script asks: it says so on the page, and nothing that was written is lost
        return JSONResponse({"code": "signed_out", "detail": "Your session has ended."}, 401)
    back = request.url.path if request.method in session.SAFE else "/"
    if request.method in session.SAFE and request.url.query:
        back += f"?{request.url.query}"
    response = RedirectResponse(f"/login?next={quote(back, safe='')}", 303)
    if session.token(request):
        session.forget(request, response)
    return response


def _told(request: Request, status: int, title: str, text: str, *, again: bool = False) -> Response:
    if request.headers.get("x-csrf"):
        return JSONResponse({"code": "away" if again else "refused", "detail": text}, status)
    page = render.page("door/error.html", title=title, text=text, again=again)
    return HTMLResponse(page, status, headers={"Cache-Control": "no-store"})


async def _away(request: Request, error: Exception) -> Response:
    log.warning("dashboard.api_away", cause=str(error)[:100])
    text = "This page comes back by itself as soon as the API answers again. Nothing that you wrote is lost."
    return _told(request, 503, "Morsel's API cannot be reached", text, again=True)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiProblem)
    if error.status == 401:
        return await _sign_in(request, error)
    title = {403: "You may not do this", 404: "There is nothing here"}.get(error.status, "That did not work")
    return _told(request, error.status, title, error.detail)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return _told(request, error.status, "That did not work", error.detail)


async def _not_found(request: Request, error: Exception) -> Response:
    return _told(request, 404, "There is nothing here", "The address leads nowhere; the menu leads on.")


async def _left(request: Request, error: Exception) -> Response:
    return Response(status_code=400)  # nobody is there to read it


_HANDLERS: dict[int | type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
    NotSignedIn: _sign_in,
    ClientDisconnect: _left,
    ApiAway: _away,
    ApiProblem: _refused,
    Problem: _problem,
    404: _not_found,
}
