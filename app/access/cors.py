"""Cross-origin calls of website keys: only origins that some key is bound to, never `*`."""

from collections.abc import Container

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.access.runtime import Access
from app.core.errors import Forbidden, problem_response

_METHODS = "GET, HEAD, POST"
_HEADERS = "Authorization, Content-Type, X-Api-Key"
_EXPOSED = "RateLimit, RateLimit-Policy, Retry-After, Server-Timing"
_MAX_AGE_S = "7200"


class WebsiteCors:
    """Answers preflights for bound origins, and lets pages of these origins read answers.

    That the key of a call is bound to the very origin it comes from is checked where the key is.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        access = getattr(scope["app"].state, "access", None) if scope["type"] == "http" else None
        if not isinstance(access, Access) or not access.web_origins:
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        known = origin in access.web_origins
        if scope["method"] == "OPTIONS" and origin is not None and "access-control-request-method" in headers:
            await _preflight(origin, known)(scope, receive, send)
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                for name, value in read_by(access.web_origins, origin):
                    if name == b"vary":
                        answer.add_vary_header(value.decode())
                    else:
                        answer[name.decode()] = value.decode("latin-1")
            await send(message)

        await self.app(scope, receive, sent)


def read_by(origins: Container[str], origin: str | None) -> list[tuple[bytes, bytes]]:
    """Return the fields that let a page of a bound origin read an answer."""
    # also without an Origin: a cache must not hand this answer to a page
    fields = [(b"vary", b"Origin")]
    if origin is not None and origin in origins:
        fields += [
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-expose-headers", _EXPOSED.encode()),
        ]
    return fields


def _preflight(origin: str, known: bool) -> Response:
    if not known:
        return problem_response(Forbidden("No key is bound to this origin.", headers={"Vary": "Origin"}))
    return Response(
        status_code=204,
        headers={
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Allow-Headers": _HEADERS,
            "Access-Control-Max-Age": _MAX_AGE_S,
            "Vary": "Origin",
        },
    )
