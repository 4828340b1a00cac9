"""A Valkey of the test's own behind a proxy, and a reader that goes through it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.serving.redis.reader import RedisReader, Values
from tests.serving.redis.processes import Process
from tests.serving.redis.proxy import Proxy, in_front_of


@pytest.fixture
def single(tmp_path: Path) -> Iterator[Process]:
    """One Valkey process."""
    process = Process(tmp_path / "valkey")
    process.start()
    yield process
    process.kill()


@pytest.fixture
async def proxy(single: Process) -> AsyncIterator[Proxy]:
    """A proxy in front of it."""
    async with in_front_of(single.port) as found:
        yield found


@pytest.fixture
async def reader(proxy: Proxy) -> AsyncIterator[RedisReader]:
    """A connected reader that goes through the proxy, with the time-out of a server."""
    found = RedisReader(f"redis://127.0.0.1:{proxy.port}/0", 50)
    await until_up(found)
    yield found
    await found.close()


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until something holds."""
    end = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < end
        await asyncio.sleep(0.01)


async def until_up(reader: RedisReader) -> None:
    """Wait until the reader is connected."""
    reader.reconnect()
    await until(lambda: reader.up)


async def read(reader: RedisReader, *groups: tuple[int, list[str]], writes: list[tuple[Any, ...]] | None = None) -> list[Values | None]:
    """Await one `read`."""
    future: asyncio.Future[list[Values | None]] = asyncio.get_running_loop().create_future()
    reader.read(list(groups), writes or [], future.set_result)
    return await asyncio.wait_for(future, 5)
