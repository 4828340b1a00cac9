"""Segment's own library, and senders whose server is killed at the worst moments: every event is stored, and stored once."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx2
import orjson
import pytest
from segment.analytics.client import Client
from sqlalchemy import text

from app.access import service as access
from app.access.domain import ClientKind, KeyKind, Scope
from app.access.schemas import NewClient, NewKey
from app.commands.context import free_port
from app.core.db import Database
from app.core.settings import Settings
from tests.e2e.serving import _await_ready


class Server:
    """`morsel serve` on one port, which can be killed without a word and started again."""

    def __init__(self, settings: Settings) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._environment = {
            **os.environ,
            "MORSEL_DATABASE_URL": settings.database_url,
            "MORSEL_REDIS_URL": settings.redis_url,
            "MORSEL_DATA_DIR": str(settings.data_dir),
            "MORSEL_MODEL_DIR": str(settings.model_dir),
            "MORSEL_LOG_LEVEL": "warning",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [sys.executable, "-m", "app.cli", "serve", "--no-worker", "--workers", "1", "--port", str(self.port)]
        # a group of its own, so that the server process dies at the same moment as its parent
        self._process = subprocess.Popen(command, env=self._environment, start_new_session=True)
        _await_ready(self.address, self._process)

    def kill(self) -> None:
        """Kill all its processes at once."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)
            self._process = None


@pytest.fixture
async def write_key(db: Database, settings: Settings, tenant: int) -> str:
    """A write key whose client has no practical limit."""
    wanted = NewClient(name="sender", kind=ClientKind.SERVICE, scopes=[Scope.EVENTS], rate_limit="1000000/minute")
    client = await access.create_client(db, settings, tenant, wanted)
    return (await access.create_key(db, tenant, client.client_id, NewKey(kind=KeyKind.WRITE))).key


@pytest.fixture
def server(settings: Settings, write_key: str) -> Iterator[Server]:
    """A server that runs."""
    found = Server(settings)
    try:
        found.start()
        yield found
    finally:
        found.kill()


async def stored(db: Database) -> tuple[int, int]:
    """Return the number of events, and of different message ids among them."""
    row = (await db.rows("select count(*), count(distinct message_id) from event"))[0]
    return row[0], row[1]


async def until(true: Callable[[], Any], seconds: float = 30) -> None:
    """Wait until a coroutine function gives something true."""
    end = time.monotonic() + seconds
    while not await true():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.01)


def send(client: Client, numbers: range) -> None:
    """Hand events to the library: tracks, and of each hundred one identify."""
    for number in numbers:
        if number % 100 == 99:
            client.identify(f"u{number % 50}", {"plan": number})
        else:
            client.track(f"u{number % 50}", "Product Viewed", {"product_id": f"p{number % 20}", "price": 9.5})


async def through_a_kill(server: Server, db: Database, write_key: str, events: int) -> None:
    """Send events by the library while the server is killed and started again; all must be there once."""
    failures: list[object] = []
    client = Client(write_key, host=server.address, on_error=lambda *told: failures.append(told), thread=2, upload_size=50, timeout=5)

    def sending() -> None:
        send(client, range(events))
        client.flush()

    sender = threading.Thread(target=sending)
    sender.start()

    async def a_part_is_there() -> bool:
        return (await stored(db))[0] >= events // 10

    await until(a_part_is_there)
    await asyncio.to_thread(server.kill)
    at_the_kill = (await stored(db))[0]
    assert at_the_kill < events, "the kill came after the last event"
    await asyncio.to_thread(server.start)
    await asyncio.to_thread(sender.join, 120)
    client.join()
    assert not sender.is_alive()
    assert failures == []
    assert await stored(db) == (events, events)


async def test_segments_own_library_sends_two_thousand_events_each_stored_once(server: Server, db: Database, write_key: str) -> None:
    failures: list[object] = []
    client = Client(write_key, host=server.address, on_error=lambda *told: failures.append(told), gzip=True)
    await asyncio.to_thread(send, client, range(2_000))
    await asyncio.to_thread(client.flush)
    client.join()
    assert failures == []
    assert await stored(db) == (2_000, 2_000)
    assert (await db.rows("select count(*) from event where kind = 3 and name = 'Product Viewed'"))[0][0] == 1_980
    assert (await db.rows("select count(*) from person where traits ? 'plan'"))[0][0] == 1


async def test_segments_own_library_loses_nothing_when_the_server_is_killed(server: Server, db: Database, write_key: str) -> None:
    await through_a_kill(server, db, write_key, 2_000)


@pytest.mark.slow
async def test_ten_thousand_events_of_segments_library_survive_a_kill(server: Server, db: Database, write_key: str) -> None:
    await through_a_kill(server, db, write_key, 10_000)


@pytest.fixture
async def http(server: Server, write_key: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A sender of batches."""
    async with httpx2.AsyncClient(base_url=server.address, auth=(write_key, ""), timeout=20) as client:
        yield client


BATCH = orjson.dumps({"batch": [{"type": "track", "event": "e", "userId": f"u{n}", "messageId": f"m{n}"} for n in range(40)]})


async def post(http: httpx2.AsyncClient) -> httpx2.Response:
    return await http.post("/v1/batch", content=BATCH, headers={"Content-Type": "application/json"})


async def test_a_batch_whose_answer_was_lost_in_a_kill_lands_once(
    server: Server, db: Database, write_key: str, http: httpx2.AsyncClient
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    head = f"POST /v1/batch HTTP/1.1\r\nHost: x\r\nX-Api-Key: {write_key}\r\nContent-Type: application/json\r\nContent-Length: {len(BATCH)}"
    writer.write(head.encode() + b"\r\n\r\n" + BATCH)

    async def committed() -> bool:
        return (await stored(db))[0] > 0

    await until(committed)
    server.kill()
    writer.close()
    assert await stored(db) == (40, 40)
    server.start()
    again = (await post(http)).json()
    assert (again["accepted"], again["duplicates"]) == (0, 40)
    assert await stored(db) == (40, 40)


async def test_a_batch_that_a_kill_met_before_its_commit_was_not_acknowledged_and_lands_when_sent_again(
    server: Server, db: Database, http: httpx2.AsyncClient
) -> None:
    async with db.begin() as blocker:
        # the transaction of the batch comes as far as its rows, and waits there
        await blocker.execute(text("lock table event in exclusive mode"))
        sent = asyncio.create_task(post(http))

        async def waits() -> bool:
            return bool(await db.rows("select 1 from pg_locks where not granted and relation = 'event'::regclass"))

        await until(waits)
        server.kill()
        with pytest.raises(httpx2.TransportError):
            await sent
    server.start()
    again = (await post(http)).json()
    assert (again["accepted"], again["duplicates"]) == (40, 0)
    assert await stored(db) == (40, 40)
