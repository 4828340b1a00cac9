"""The shortest way from a socket to the pipeline and back: uvicorn's protocol, with the calls of a send taken out before ASGI.

A call is taken when its whole request came in one piece, is a GET of a serving route without a body, and nothing else is under
way on its connection. Everything else goes through uvicorn and the framework, which answer these routes alike.
"""

# long: one connection is one state machine

import asyncio
import re
import time
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from app.access.authenticator import Headers
from app.access.cors import read_by
from app.access.directory import AccessDirectory
from app.access.domain import Principal, Scope
from app.core.connection import MOST_HEAD, Refused, check_head
from app.core.draining import DrainingProtocol
from app.core.errors import Forbidden, Problem, problem_reply
from app.core.logging import log
from app.serving.edge.asgi import Server, query, timing
from app.serving.edge.parameters import GPC
from app.serving.model.call import Call

# What the address may hold is narrower than what HTTP allows: the rest is for the parser of the long way to judge.
_LINE = re.compile(rb"GET (/v1/recommendations|/v1/snippets/[A-Za-z0-9._~-]+)\?([!\"$-~]*) HTTP/1\.1\r\n")
_END = b"\r\n\r\n"
_ELSEWHERE = frozenset({b"content-length", b"transfer-encoding", b"expect", b"upgrade"})
# Heads are remembered up to this size, and all of them together up to so many bytes, counted by what they hold.
_LONGEST_KEPT = 4_096
_MOST_KEPT = 16 * 2**20
_A_HEAD, _A_FIELD = 1_000, 200
_OK = (
    b"HTTP/1.1 200 OK\r\n%bcontent-type: %b\r\ncontent-length: %d\r\ncache-control: private, max-age=0\r\n"
    b"server-timing: %b\r\nx-morsel-source: %b\r\n%b\r\n%b"
)


class _Head:
    """The header fields of a request, and who they name: callers that keep a connection send the same ones again and again."""

    def __init__(self, headers: Headers) -> None:
        self.headers = headers
        self.origin = next((value.decode("latin-1") for name, value in headers if name == b"origin"), None)
        self.gpc = GPC in headers
        self._directory: AccessDirectory | None = None
        self._until = 0.0
        self._caller: Principal | None = None

    def caller(self, server: Server, key: str | None) -> Principal:
        """Return who calls, as the present directory has it; raises Unauthorized and Forbidden."""
        authenticator = server.access.authenticator
        if self._caller is not None and self._directory is authenticator.directory and time.time() < self._until:
            return self._caller
        self._caller = None  # asking may refuse, and then nobody is remembered
        directory = authenticator.directory
        caller, until = authenticator.known(self.headers, key)
        if not caller.may(Scope.RECOMMEND):
            raise Forbidden("This call needs the scope recommend.")
        self._caller, self._directory, self._until = caller, directory, until
        return caller


class _Parsed:
    """Collects what the parser finds in one whole request."""

    def __init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.headers: list[tuple[bytes, bytes]] = []
        self.messages = 0
        self.kept = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        self.kept = self.parser.should_keep_alive()  # the parser forgets it with the end of the message

    def on_message_complete(self) -> None:
        self.messages += 1


class _Heads:
    """Heads by their bytes; only those of callers who were known, and no more of them than fit into 16 MiB."""

    def __init__(self) -> None:
        self.known: dict[bytes, _Head] = {}
        self._bytes = 0

    def keep(self, raw: bytes, head: _Head) -> None:
        """Remember a head whose caller is known; the oldest ones make room."""
        if len(raw) > _LONGEST_KEPT or raw in self.known:
            return
        self.known[raw] = head
        self._bytes += _cost(raw, head)
        while self._bytes > _MOST_KEPT:
            oldest = next(iter(self.known))
            self._bytes -= _cost(oldest, self.known.pop(oldest))


def _cost(raw: bytes, head: _Head) -> int:
    return _A_HEAD + 2 * len(raw) + _A_FIELD * len(head.headers)


_heads = _Heads()


def _head(data: bytes, raw: bytes) -> _Head | None:
    """Return the header fields of a request that is whole, without body, and keeps its connection; None for any other."""
    if data.find(_END) != len(data) - len(_END):
        return None
    parsed = _Parsed()
    try:
        parsed.parser.feed_data(data)
        check_head("1.1", parsed.headers)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade, Refused):
        return None
    plain = parsed.messages == 1 and parsed.kept and not any(name in _ELSEWHERE for name, _ in parsed.headers)
    return _Head(parsed.headers) if plain else None


class ServingProtocol(DrainingProtocol):
    """One connection."""

    _server: Server | None = None
    _call: Call | None = None
    _origin: str | None = None
    _active = 0.0

    def data_received(self, data: bytes) -> None:
        """Take a call out, or give the bytes to uvicorn."""
        if self._call is not None or self.flow.write_paused:  # one at a time, and none for somebody who does not read
            self.hold(data)
        elif self.within or self.answering or self.deaf or not self._taken(data):
            super().data_received(data)

    def _taken(self, data: bytes) -> bool:
        line = _LINE.match(data)
        if line is None or len(data) > MOST_HEAD:  # whoever sends it: the long way refuses such heads
            return False
        server = self._server or self._find_server()
        fields = data[line.end() :]
        known = _heads.known.get(fields)
        head = known or _head(data, fields)
        if server is None or head is None:
            return False
        received = time.perf_counter()
        self._origin = head.origin
        try:
            path, raw = line.groups()
            given = query(raw.decode())
            caller = head.caller(server, given.get("key"))
            if known is None:
                _heads.keep(fields, head)
            call = server.read(caller, given, path.decode())
            if head.gpc and call.public:
                call.untracked = True
            call.received, call.known, call.done = received, time.perf_counter(), self._answered
            self._call = call
            limiter = server.access.limiter
            if limiter.passes(caller):
                server.begin(call, caller)
            elif (verdict := limiter.try_admit(caller)) is not None:
                server.begin(call, caller, verdict)
            else:
                task = asyncio.get_running_loop().create_task(self._admitted(server, call, caller))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)
        except Exception as error:
            self._refuse(error)
        return True

    async def _admitted(self, server: Server, call: Call, caller: Principal) -> None:
        """Wait for room in the caller's limit, then start the call."""
        try:
            server.begin(call, caller, await server.access.limiter.admit(caller))
        except Exception as error:
            self._refuse(error)

    def _find_server(self) -> Server | None:
        """Return what answers; None while the program starts, or where uvicorn is to log every request."""
        if not self.access_log and not self.root_path:
            self._server = getattr(self.app, "server", None)
        return self._server

    def _answered(self, call: Call) -> None:
        if call.problem is not None:
            self._send(*problem_reply(call.problem))
            return
        body = call.body
        assert body is not None
        more = self._cors() + (b"connection: close\r\n" if self._last() else b"")
        self._finish(_OK % (self._defaults(), call.format.content_type, len(body), timing(call), call.outcome.rung.header, more, body))

    def _refuse(self, error: Exception) -> None:
        if not isinstance(error, Problem):
            log.error("serving.fault", error=type(error).__name__, exc_info=error)
            error = Problem("Something went wrong on our side.", code="internal", status=500)
        self._send(*problem_reply(error))

    def _send(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        fields = b"".join([b"%b: %b\r\n" % field for field in headers])
        more = self._cors() + (b"connection: close\r\n" if self._last() else b"")
        self._finish(b"".join((STATUS_LINE[status], self._defaults(), fields, more, b"\r\n", body)))

    def _finish(self, response: bytes) -> None:
        """Send a response, and go on with what came in meanwhile."""
        self._call = None
        if self.transport.is_closing():
            return
        self.transport.write(response)
        self.server_state.total_requests += 1
        if self._last():
            self.linger()
            return
        self._active = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
        if self.held and not self.flow.write_paused:
            self.settle()

    def _last(self) -> bool:
        """Tell whether the answer that is being sent is the last one of its connection."""
        return (self.ending or self.half_closed) and not self.held

    def busy(self) -> bool:
        """Tell whether an answer is still to be sent, on either way."""
        return self._call is not None or self.answering > 0

    def _defaults(self) -> bytes:
        """Return the fields that uvicorn adds to every response, as bytes; it makes a new list of them each second."""
        global _default_fields
        fields = self.server_state.default_headers
        if _default_fields[0] is not fields:
            _default_fields = (fields, b"".join([b"%b: %b\r\n" % field for field in fields]))
        return _default_fields[1]

    def _cors(self) -> bytes:
        origins = self._server.access.web_origins if self._server is not None else None
        if not origins:
            return b""
        return b"".join([b"%b: %b\r\n" % field for field in read_by(origins, self._origin)])

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that has been silent; calls taken out do not move the timer, they leave a note."""
        silent = self.loop.time() - self._active
        if self._call is not None or silent < self.timeout_keep_alive:
            again = max(1.0, self.timeout_keep_alive - silent)
            self.timeout_keep_alive_task = self.loop.call_later(again, self.timeout_keep_alive_handler)
            return
        super().timeout_keep_alive_handler()


_default_fields: tuple[Any, bytes] = (None, b"")
