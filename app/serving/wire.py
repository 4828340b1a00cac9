"""The shortest way from a socket to the pipeline and back: uvicorn's protocol, with the calls of a send taken out before ASGI.

A call is taken when its whole request came in one piece, is a GET of a serving route without a body, and nothing else is under
way on its connection. Everything else goes through uvicorn and the framework, which answer these routes alike.
"""

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
from app.core.draining import DrainingProtocol
from app.core.errors import Forbidden, Problem
from app.core.logging import log
from app.serving import answer
from app.serving.call import Call
from app.serving.domain import RUNGS
from app.serving.door import Server, problem_reply, query, timing

# What the address may hold is narrower than what HTTP allows: the rest is for the parser of the long way to judge.
_LINE = re.compile(rb"GET (/v1/recommendations|/v1/snippets/[A-Za-z0-9._~-]+)\?([!\"$-~]*) HTTP/1\.1\r\n")
_END = b"\r\n\r\n"
_ELSEWHERE = frozenset({b"content-length", b"transfer-encoding", b"expect", b"upgrade"})
_MOST_HEADS = 2_048
_LONGEST = 65_535
_OK = (
    b"HTTP/1.1 200 OK\r\n%bcontent-type: %b\r\ncontent-length: %d\r\ncache-control: private, max-age=0\r\n"
    b"server-timing: %b\r\nx-morsel-source: %b\r\n%b\r\n%b"
)


class _Head:
    """The header fields of a request, and who they name: callers that keep a connection send the same ones again and again."""

    def __init__(self, headers: Headers) -> None:
        self.headers = headers
        self.origin = next((value.decode("latin-1") for name, value in headers if name == b"origin"), None)
        self._directory: AccessDirectory | None = None
        self._until = 0.0
        self._caller: Principal | None = None

    def caller(self, server: Server, key: str | None) -> Principal:
        """Return who calls, as the present directory has it; raises Unauthorized and Forbidden."""
        authenticator = server.access.authenticator
        if self._caller is not None and self._directory is authenticator.directory and time.time() < self._until:
            return self._caller
        self._directory = authenticator.directory
        self._caller, self._until = authenticator.known(self.headers, key)
        if not self._caller.may(Scope.RECOMMEND):
            self._until = 0.0
            raise Forbidden("This call needs the scope recommend.")
        return self._caller


class _Parsed:
    """Collects what the parser finds in one whole request."""

    def __init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.headers: list[tuple[bytes, bytes]] = []
        self.messages = 0
        self.kept = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.kept = self.parser.should_keep_alive()  # the parser forgets it with the end of the message

    def on_message_complete(self) -> None:
        self.messages += 1


_heads: dict[bytes, _Head] = {}


def _head(data: bytes, start: int) -> _Head | None:
    """Return the header fields of a request that is whole, without body, and keeps its connection; None for any other."""
    raw = data[start:]
    known = _heads.get(raw)
    if known is not None:
        return known
    if data.find(_END) != len(data) - len(_END):
        return None
    parsed = _Parsed()
    try:
        parsed.parser.feed_data(data)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return None
    plain = parsed.messages == 1 and parsed.kept and not any(name in _ELSEWHERE for name, _ in parsed.headers)
    if not plain:
        return None
    if len(_heads) >= _MOST_HEADS:
        _heads.clear()
    head = _heads[raw] = _Head(parsed.headers)
    return head


class ServingProtocol(DrainingProtocol):
    """One connection."""

    _server: Server | None = None
    _call: Call | None = None
    _origin: str | None = None
    _held = b""
    _within = False
    _ending = False
    _active = 0.0

    def data_received(self, data: bytes) -> None:
        """Take a call out, or give the bytes to uvicorn."""
        if self._call is not None:  # one at a time: what comes meanwhile waits for the answer
            self._held += data
            self.flow.pause_reading()
            return
        cycle = self.cycle
        if self._within or (cycle is not None and not cycle.response_complete) or not self._taken(data):
            super().data_received(data)

    def _taken(self, data: bytes) -> bool:
        line = _LINE.match(data)
        if line is None or line.end() > _LONGEST:
            return False
        server = self._server or self._find_server()
        head = _head(data, line.end())
        if server is None or head is None:
            return False
        received = time.perf_counter()
        self._origin = head.origin
        try:
            path, raw = line.groups()
            given = query(raw.decode())
            caller = head.caller(server, given.get("key"))
            call = server.read(caller, given, path.decode())
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
        more = self._cors() + (b"connection: close\r\n" if self._ending else b"")
        self._finish(_OK % (self._defaults(), answer.MEDIA[call.format], len(body), timing(call), _SOURCE[call.outcome.rung], more, body))

    def _refuse(self, error: Exception) -> None:
        if not isinstance(error, Problem):
            log.error("serving.fault", error=type(error).__name__, exc_info=error)
            error = Problem("Something went wrong on our side.", code="internal", status=500)
        self._send(*problem_reply(error))

    def _send(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        fields = b"".join([b"%b: %b\r\n" % field for field in headers])
        more = self._cors() + (b"connection: close\r\n" if self._ending else b"")
        self._finish(b"".join((STATUS_LINE[status], self._defaults(), fields, more, b"\r\n", body)))

    def _finish(self, response: bytes) -> None:
        """Send a response, and go on with what came in meanwhile."""
        self._call = None
        if self.transport.is_closing():
            return
        self.transport.write(response)
        self.server_state.total_requests += 1
        if self._ending:
            self.transport.close()
            return
        self._active = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
        if self._held:
            held, self._held = self._held, b""
            self.flow.resume_reading()
            self.data_received(held)

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

    def on_message_begin(self) -> None:
        """Note that a message is being parsed."""
        self._within = True
        super().on_message_begin()

    def on_message_complete(self) -> None:
        """Note that no message is being parsed."""
        self._within = False
        super().on_message_complete()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that has been silent; calls taken out do not move the timer, they leave a note."""
        silent = self.loop.time() - self._active
        if self._call is not None or silent < self.timeout_keep_alive:
            again = max(1.0, self.timeout_keep_alive - silent)
            self.timeout_keep_alive_task = self.loop.call_later(again, self.timeout_keep_alive_handler)
            return
        super().timeout_keep_alive_handler()

    def end(self) -> None:
        """End a drained connection, after its answer when a call is under way."""
        if self._call is not None:
            self._ending = True
        else:
            super().end()


_SOURCE = {rung: rung.encode() for rung in RUNGS}
_default_fields: tuple[Any, bytes] = (None, b"")
