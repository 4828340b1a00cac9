"""One error shape for every caller: problem+json (RFC 9457) with a stable `code`.

Problem
├── BadRequest        400
├── Unauthorized      401
├── Forbidden         403
├── NotFound          404
├── Conflict          409
├── Changed           412
├── TooLarge          413
├── Invalid           422
├── LimitReached      429
└── Unavailable       503
"""

from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Message, Send

from app.core import telemetry
from app.core.logging import log

# Every code that may leave this program, with what it means; docs/errors.md lists the same (a test compares).
CODES: dict[str, str] = {
    "bad_request": "The request cannot be understood; `detail` says what to change.",
    "invalid": "A field has a wrong value; `errors` names each.",
    "unauthorized": "No valid credential came with the request.",
    "second_factor": "The account has a second factor: its code is needed too.",
    "invalid_client": "The client id or secret is wrong, or the client was revoked.",
    "unsupported_grant_type": "Only `client_credentials` is supported.",
    "invalid_scope": "The client does not hold a scope it asked for.",
    "forbidden": "The credential lacks the scope, placement or origin that this call needs.",
    "not_found": "There is nothing under this name.",
    "method_not_allowed": "The route does not take this method.",
    "conflict": "The change does not fit the present state.",
    "changed": "What was to be changed is not what it was when it was read.",
    "too_large": "The body is larger than this route takes.",
    "unsupported_encoding": "The body is packed in a way that this route does not read.",
    "head_too_large": "The head of the request (address and fields) is larger than 64 KB.",
    "timeout": "The request did not come in time; the connection is closed.",
    "version": "The request is in a version of HTTP that is not spoken here; send HTTP/1.1.",
    "rate_limited": "The client is over its limit; `Retry-After` says when to come back.",
    "provider_away": "The provider that people sign in by is out of reach.",
    "unavailable": "A part this call needs is out of reach; try again.",
    "internal": "A fault of ours; it was logged.",
}


class Problem(Exception):
    """An error with an HTTP status, a stable code and a sentence that says what to do."""

    status = 400
    code = "bad_request"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.code
        self.status = status or self.status
        self.headers = dict(headers or {})
        self.extra = extra

    def body(self) -> bytes:
        """Return the problem+json document as ASCII bytes."""
        return problem_body(self.status, self.code, self.detail, **self.extra)


class BadRequest(Problem):
    """400."""


class Unauthorized(Problem):
    """401: say how to authenticate."""

    status, code = 401, "unauthorized"

    def __init__(self, detail: str, **kw: Any) -> None:
        kw.setdefault("headers", {"WWW-Authenticate": 'Bearer realm="morsel"'})
        super().__init__(detail, **kw)


class Forbidden(Problem):
    """403."""

    status, code = 403, "forbidden"


class NotFound(Problem):
    """404."""

    status, code = 404, "not_found"


class Conflict(Problem):
    """409."""

    status, code = 409, "conflict"


class Changed(Problem):
    """412."""

    status, code = 412, "changed"


class TooLarge(Problem):
    """413."""

    status, code = 413, "too_large"


class Invalid(Problem):
    """422: `errors` names each field."""

    status, code = 422, "invalid"


class LimitReached(Problem):
    """429."""

    status, code = 429, "rate_limited"


class Unavailable(Problem):
    """503."""

    status, code = 503, "unavailable"


def ascii_json(value: Any) -> bytes:
    """Encode as ASCII-only JSON, since older e-mail platforms read Windows-1252."""
    raw = orjson.dumps(value, default=str)
    if raw.isascii():
        return raw
    text = raw.decode()
    return "".join(c if c < "\x80" else _escape(c) for c in text).encode("ascii")


def _escape(char: str) -> str:
    point = ord(char)
    if point < 0x10000:
        return f"\\u{point:04x}"
    point -= 0x10000
    return f"\\u{0xD800 + (point >> 10):04x}\\u{0xDC00 + (point & 0x3FF):04x}"


def problem_body(status: int, code: str, detail: str, **extra: Any) -> bytes:
    """Build a problem+json document."""
    title = CODES.get(code, "")
    return ascii_json({"type": "about:blank", "title": title, "status": status, "code": code, "detail": detail, **extra})


def problem_response(problem: Problem) -> Response:
    """Turn a problem into a response."""
    return Response(problem.body(), problem.status, problem.headers, media_type="application/problem+json")


def problem_reply(problem: Problem) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Return status, header fields and body of a problem, for what answers in front of the framework."""
    body = problem.body()
    headers = [(name.lower().encode(), str(value).encode()) for name, value in problem.headers.items()]
    headers += [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    return problem.status, headers, body


def hung_up() -> Problem:
    """Count a caller who went away in the middle of a body, which is no fault; the answer that follows reaches nobody."""
    telemetry.CONNECTIONS_ENDED.labels("hung_up").inc()
    return BadRequest("The body did not come whole.")


def telling(send: Send) -> Send:
    """Let what the framework says by itself of a body that is too large, in plain text, leave as problem+json."""
    told = False

    async def tell(message: Message) -> None:
        nonlocal told
        if message["type"] == "http.response.start" and message["status"] == TooLarge.status:
            fields = dict(message["headers"])
            if not fields.get(b"content-type", b"").startswith(b"application/"):
                told = True
                body = TooLarge("The body is larger than this server takes.").body()
                fields |= {b"content-type": b"application/problem+json", b"content-length": b"%d" % len(body)}
                await send({**message, "headers": list(fields.items())})
                await send({"type": "http.response.body", "body": body})
        if not told:
            await send(message)

    return tell


def _told(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _what(request: Request, error: RequestValidationError) -> str:
    """Say what is wrong with a request; a body that was not sent as JSON, as curl does by itself, is the likeliest."""
    whole = any(tuple(e["loc"]) == ("body",) for e in error.errors())
    if whole and "json" not in request.headers.get("content-type", "json"):
        return "The body was not sent as JSON: it needs the header Content-Type: application/json."
    return "Some fields have wrong values."


_STATUS_CODES = {401: "unauthorized", 403: "forbidden", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}


def install(app: FastAPI) -> None:
    """Make every error of the app leave as problem+json."""

    async def on_problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return problem_response(error)

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = _STATUS_CODES.get(error.status_code, "bad_request" if error.status_code < 500 else "internal")
        problem = Problem(str(error.detail), code=code, status=error.status_code, headers=error.headers)
        return problem_response(problem)

    async def on_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        # a name in `loc` may be the caller's, and no text
        errors = [{"field": _told(".".join(str(p) for p in e["loc"][1:])), "message": _told(e["msg"])} for e in error.errors()]
        return problem_response(Invalid(_what(request, error), errors=errors[:50]))

    async def on_hang_up(request: Request, error: Exception) -> Response:
        return problem_response(hung_up())

    async def on_fault(request: Request, error: Exception) -> Response:
        log.error("request.fault", path=request.scope.get("path", ""), error=type(error).__name__, exc_info=error)
        return problem_response(Problem("Something went wrong on our side.", code="internal", status=500))

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(ClientDisconnect, on_hang_up)
    app.add_exception_handler(Exception, on_fault)
