"""The other end of a connection: sends bytes as they are, and reads what comes until it ends."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from app.serving.edge.protocol import ServingProtocol

SHORT = "/v1/recommendations?placement=home-popular"
LONG = "/livez"
_LENGTH = re.compile(rb"content-length: (\d+)")


@dataclass(frozen=True)
class Answer:
    """One answer: its status, its header as it came, and its body."""

    status: int
    head: bytes
    body: bytes

    @property
    def told_to_close(self) -> bool:
        return b"connection: close" in self.head.lower()


@dataclass
class Peer:
    """A client's end of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, *parts: bytes) -> None:
        """Send parts, each by itself; a connection that was closed meanwhile takes them too."""
        for part in parts:
            try:
                self.writer.write(part)
                await self.writer.drain()
                await asyncio.sleep(0)
            except ConnectionError:
                return

    async def answer(self, seconds: float = 10) -> Answer:
        """Read one answer."""
        async with asyncio.timeout(seconds):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            return Answer(int(head.split()[1]), head, await self.reader.readexactly(int(length[1]) if length else 0))

    async def rest(self, seconds: float = 10) -> list[Answer]:
        """Read all answers until the other side ends."""
        found = []
        async with asyncio.timeout(seconds):
            while True:
                try:
                    found.append(await self.answer(seconds))
                except (asyncio.IncompleteReadError, ConnectionError):
                    return found


@dataclass
class Listening:
    """A served application: its port, the key of a caller, and the server's end of every connection."""

    port: int
    key: str
    state: ServerState
    made: list[ServingProtocol] = field(default_factory=list)

    @asynccontextmanager
    async def peer(self) -> AsyncIterator[Peer]:
        """Connect."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**24)
        try:
            yield Peer(reader, writer)
        finally:
            writer.close()

    def get(self, target: str = SHORT, *, host: str = "host: test\r\n", more: str = "", version: str = "1.1") -> bytes:
        """Spell a request with the key."""
        return f"GET {target} HTTP/{version}\r\n{host}x-api-key: {self.key}\r\n{more}\r\n".encode()

    async def ask(self, *parts: bytes) -> list[Answer]:
        """Send parts on a new connection, close our side, and return every answer."""
        async with self.peer() as peer:
            await peer.send(*parts)
            return await peer.rest()


@asynccontextmanager
async def listening(app: Any, key: str = "", keep_alive: int = 75) -> AsyncIterator[Listening]:
    """Serve an application on a port, as `morsel serve` does."""
    config = Config(app, access_log=False, log_level="error", proxy_headers=False, server_header=False, timeout_keep_alive=keep_alive)
    state, loop = ServerState(), asyncio.get_running_loop()
    made: list[ServingProtocol] = []

    def connection() -> ServingProtocol:
        made.append(ServingProtocol(config, state, {}, loop))
        made[-1].access_log = False  # whatever other tests did to the loggers
        return made[-1]

    server = await loop.create_server(connection, "127.0.0.1", 0)
    try:
        yield Listening(server.sockets[0].getsockname()[1], key, state, made)
    finally:
        server.close()
        for one in list(state.connections):
            one.transport.abort()
        await asyncio.gather(*state.tasks, return_exceptions=True)
