"""The door of the two routes a send depends on: knows the caller, reads the call, limits it, and hands it to the pipeline."""

# long: the door and the reception share the reading of queries and bodies

import asyncio
import time
from collections.abc import Mapping
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.access.domain import Principal
from app.access.domain import Scope as AccessScope
from app.access.limits.counting import Verdict
from app.access.runtime import Access
from app.content.formats import HTML, JSON
from app.core import digits
from app.core.errors import Forbidden, LimitReached, Problem, TooLarge, Unavailable, hung_up, problem_reply
from app.core.logging import log
from app.data.identity.vault import ADDRESS, DataKeys
from app.serving.edge.parameters import GPC, parse
from app.serving.model.call import Call, waking
from app.serving.model.outcome import Reason
from app.serving.model.parameters import PARAMETERS
from app.serving.path.pipeline import Pipeline
from app.serving.snapshot.holder import Holder

RECOMMENDATIONS = "/v1/recommendations"
SNIPPETS = "/v1/snippets/"
_METHODS = {RECOMMENDATIONS: ("GET", "HEAD", "POST"), SNIPPETS: ("GET", "HEAD")}
MAX_BODY = 65_536
_TIMING = b"auth;dur=%.2f, limit;dur=%.2f, lookup;dur=%.2f, choose;dur=%.2f, write;dur=%.2f, total;dur=%.2f"
Response = tuple[int, list[tuple[bytes, bytes]], bytes]


class Server:
    """What the door needs of the running server."""

    def __init__(self, access: Access, holder: Holder, pipeline: Pipeline) -> None:
        self.access = access
        self.holder = holder
        self.pipeline = pipeline
        self._keys = DataKeys(access.settings)

    def read(self, caller: Principal, given: Mapping[str, str], path: str) -> Call:
        """Return the call that a caller makes; raises Forbidden and, for strict calls, BadRequest."""
        if path == RECOMMENDATIONS:
            call = parse(caller, given, given.get("placement", "").strip(), JSON)
        else:
            call = parse(caller, given, path[len(SNIPPETS) :], HTML)
        if caller.placements is not None and not caller.may_show(call.placement):
            raise Forbidden(f"This credential is bound to other placements: {', '.join(sorted(caller.placements))[:300]}.")
        if call.explain and not caller.may(AccessScope.ADMIN_READ, reading=True):
            raise Forbidden("explain=1 needs the scope admin:read.")
        call.client_no = caller.client_no
        if call.send_id or call.campaign:
            self._without_addresses(call)
        return call

    def _without_addresses(self, call: Call) -> None:
        """See that the name of a mailing tells nobody's address to links, records and reports; raises BadRequest for strict calls."""
        for name in ("send_id", "campaign"):
            given = getattr(call, name)
            if (kept := self._keys.stand_in(call.tenant, given)) != given:
                setattr(call, name, kept)
                call.complain(ADDRESS.format(name, kept))

    def begin(self, call: Call, caller: Principal, verdict: Verdict | None = None) -> None:
        """Start a call after its limit was looked at (None: it fits); `call.done` follows. Raises LimitReached and Unavailable."""
        if verdict is not None and not verdict.allowed:
            if caller.on_limit == "reject":
                raise LimitReached("The client is over its limit; come back when the window is over.", headers=verdict.headers())
            call.closed = Reason.RATE_LIMITED
        snapshot = self.holder.current.get(caller.tenant)
        if snapshot is None:
            raise Unavailable("Nothing has been loaded for this tenant yet; try again in a second.", headers={"Retry-After": "1"})
        call.snapshot = snapshot
        call.started = time.perf_counter()
        self.pipeline.begin(call)


class Door:
    """Stands in front of the framework and answers the two serving routes; all else goes on to `otherwise`.

    The framework's own layers would cost more than the answer. Its documented routes call `respond` too. Under uvicorn most
    calls do not even come here: see `app.serving.edge.protocol`.
    """

    def __init__(self, otherwise: ASGIApp) -> None:
        self._otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        methods = _METHODS[RECOMMENDATIONS if scope["path"] == RECOMMENDATIONS else SNIPPETS]
        if scope["method"] not in methods:
            await self._otherwise(scope, receive, send)  # OPTIONS and wrong methods: the framework knows what to say
            return
        status, headers, body = await respond(scope["app"].state.server, scope, receive)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def is_hot(scope: Scope) -> bool:
    """Tell whether a request is for one of the two serving routes."""
    if scope["type"] != "http":
        return False
    path: str = scope["path"]
    return path == RECOMMENDATIONS or (path.startswith(SNIPPETS) and len(path) > len(SNIPPETS) and "/" not in path[len(SNIPPETS) :])


async def respond(server: Server, scope: Scope, receive: Receive) -> Response:
    """Answer one request; an error becomes problem+json."""
    try:
        call = await _answered(server, scope, receive)
    except Problem as problem:
        return problem_reply(problem)
    except ClientDisconnect:
        return problem_reply(hung_up())
    except Exception as error:
        log.error("serving.fault", error=type(error).__name__, exc_info=error)
        return problem_reply(Problem("Something went wrong on our side.", code="internal", status=500))
    return reply(call)


async def _answered(server: Server, scope: Scope, receive: Receive) -> Call:
    received = time.perf_counter()
    given = query(scope["query_string"].decode("latin-1"))
    caller, _ = server.access.authenticator.known(scope["headers"], given.get("key"))
    if not caller.may(AccessScope.RECOMMEND):
        raise Forbidden("This call needs the scope recommend.")
    sent: dict[str, str] | None = {}
    if scope["method"] == "POST":
        sent = await _body(scope, receive)
        given = {**given, **(sent or {})}
    call = server.read(caller, given, scope["path"])
    if sent is None:
        call.complain("body: must be a JSON object or a form")
    call.head = scope["method"] == "HEAD"
    if call.public and GPC in scope["headers"]:
        call.untracked = True
    call.received, call.known = received, time.perf_counter()
    verdict = server.access.limiter.try_admit(caller) or await server.access.limiter.admit(caller)
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    call.done = waking(future)
    server.begin(call, caller, verdict)
    await future
    return call


def reply(call: Call) -> Response:
    """Return what a finished call answers."""
    if call.problem is not None:
        return problem_reply(call.problem)
    assert call.body is not None
    headers = [
        (b"content-type", call.format.content_type),
        (b"content-length", b"%d" % len(call.body)),
        (b"cache-control", b"private, max-age=0"),
        (b"server-timing", timing(call)),
        (b"x-morsel-source", call.outcome.rung.header),
    ]
    return 200, headers, call.body


def timing(call: Call) -> bytes:
    """Return the stages of a call in milliseconds, as a Server-Timing value."""
    return _TIMING % (
        1000 * (call.known - call.received),
        1000 * (call.started - call.known),
        1000 * (call.found - call.started),
        1000 * (call.chosen - call.found),
        1000 * (call.written - call.chosen),
        1000 * (call.written - call.received),
    )


def query(raw: str) -> dict[str, str]:
    """Read the query of an address."""
    if "%" in raw or "+" in raw or not raw.isascii():
        return _joined(parse_qsl(raw, keep_blank_values=True, max_num_fields=None))
    given: dict[str, str] = {}
    for part in raw.split("&"):
        name, _, value = part.partition("=")
        if name in given:
            return _joined(parse_qsl(raw, keep_blank_values=True, max_num_fields=None))
        if name:
            given[name] = value
    return given


def _joined(pairs: list[tuple[str, str]]) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in pairs:
        given[name] = f"{given[name]},{value}" if name in given and name in PARAMETERS and PARAMETERS[name].many else value
    return given


async def _body(scope: Scope, receive: Receive) -> dict[str, str] | None:
    """Read a JSON object or a form; None when it is neither."""
    raw = await _read(receive)
    kind = next((value for name, value in scope["headers"] if name == b"content-type"), b"").split(b";")[0].strip().lower()
    if not raw.strip():
        return {}
    # the form is the type that many platforms send whatever the body is
    if kind == b"application/x-www-form-urlencoded" and raw.lstrip()[:1] != b"{":
        return _joined(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True))
    try:
        document = digits.loads(raw)
    except ValueError:
        return None
    if not isinstance(document, dict):
        return None
    if isinstance(context := document.get("ctx"), dict):
        del document["ctx"]
        document |= {f"ctx.{name}": value for name, value in islice(context.items(), _MOST_CONTEXT)}
    return {name: ",".join(map(_spelled, value)) if isinstance(value, list) else _spelled(value) for name, value in document.items()}


# more than are read, so that too many are told
_MOST_CONTEXT = 40


def _spelled(value: Any) -> str:
    """Spell a scalar as in an address; deeper structures mean nothing here, and walking them would be work for an attacker."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else str(value) if isinstance(value, (int, float)) else ""


async def _read(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BODY:
            raise TooLarge(f"The body is larger than {MAX_BODY} bytes.")
        if not message.get("more_body"):
            return b"".join(parts)
