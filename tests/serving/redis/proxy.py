"""A TCP proxy in front of a Redis, which hangs, delays, or cuts connections when a test says so."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Proxy:
    """Passes bytes to a server; faults apply to connections that are open as well as to new ones.

    `hang`: what is sent is taken, and nothing comes back. `delay_s`: each piece of a reply comes later by so much.
    `cut_after`: once this many bytes of replies have passed, their connection is closed; counted in `cuts`.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._talking = asyncio.Event()
        self._talking.set()
        self.port = 0
        self.delay_s = 0.0
        self.cut_after: int | None = None
        self.cuts = 0

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close every connection and listen no more."""
        assert self._server is not None
        self._server.close()
        self.drop()
        await asyncio.sleep(0.02)

    def hang(self) -> None:
        """Pass no more replies."""
        self._talking.clear()

    def heal(self) -> None:
        """Be a good connection again."""
        self._talking.set()
        self.delay_s = 0.0
        self.cut_after = None

    def drop(self) -> None:
        """Close every open connection."""
        for writer in self._open:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            back_reader, back_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._open.add(writer)
        ways = [asyncio.create_task(self._pass(reader, back_writer)), asyncio.create_task(self._back(back_reader, writer))]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        self._open.discard(writer)
        writer.transport.abort()
        back_writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._talking.wait()
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                if self.cut_after is not None and len(data) > self.cut_after:
                    writer.write(data[: self.cut_after])
                    await writer.drain()
                    writer.close()  # what was written still leaves, unlike with an abort
                    self.cut_after = None
                    self.cuts += 1
                    return
                if self.cut_after is not None:
                    self.cut_after -= len(data)
                writer.write(data)
                await writer.drain()


@asynccontextmanager
async def in_front_of(port: int) -> AsyncIterator[Proxy]:
    """Run a proxy in front of a server on this machine."""
    proxy = Proxy(port)
    await proxy.start()
    try:
        yield proxy
    finally:
        proxy.heal()
        await proxy.stop()
