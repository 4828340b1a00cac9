"""With PostgreSQL there but not answering, every route that needs it says 503 within seconds, and works again afterwards."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import make_url

from app.core.db import Database, async_url
from app.core.deadline import Deadline
from app.core.errors import Unavailable
from app.core.outage import is_away
from app.core.settings import Settings
from app.data.events.intake import Intake
from app.data.identity.vault import DataKeys
from tests.serving.shop import Shop, running, stock

MOST_S = 12.0
TRACK = {"event": "Product Viewed", "userId": "u1", "properties": {"product_id": "i1"}}
STRANGER = {"grant_type": "client_credentials", "client_id": "mc_0123456789abcdef", "client_secret": "ms_none"}
CALLS: list[tuple[str, str, Any]] = [
    ("POST", "/v1/track", TRACK),
    ("POST", "/v1/batch", {"batch": [TRACK | {"type": "track"}]}),
    ("POST", "/v1/batch", {"batch": [{"type": "track"}]}),
    ("POST", "/v1/items/batch", {"items": [{"id": "i1"}]}),
    ("PUT", "/v1/items/i1", {"title": "One"}),
    ("GET", "/v1/items/i1", None),
    ("GET", "/v1/admin/people/u1", None),
    ("PUT", "/v1/admin/people/u1/consent", {"personalisation": True}),
    ("GET", "/v1/admin/clients", None),
    ("POST", "/v1/admin/clients", {"name": "new", "scopes": ["recommend"]}),
    ("GET", "/v1/admin/placements", None),
    ("GET", "/v1/admin/signals", None),
    ("GET", "/v1/admin/refused-events", None),
    ("POST", "/v1/admin/refused-events/replay", {}),
    ("GET", "/v1/admin/sends", None),
    ("GET", "/v1/admin/models", None),
]


class Proxy:
    """Stands between a server and PostgreSQL; while it `hangs` nothing passes, and new connections are taken and left alone."""

    def __init__(self, behind: str) -> None:
        self.behind = behind
        self.passing = asyncio.Event()
        self.passing.set()
        self.tasks: set[asyncio.Task[None]] = set()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.passing.wait()
        below, above = await asyncio.open_unix_connection(self.behind)
        await asyncio.gather(self.pump(reader, above), self.pump(below, writer))

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                await self.passing.wait()
                writer.write(data)
                await writer.drain()
        except OSError:
            pass  # an end was cut off, and so is the other
        finally:
            writer.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose name is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="hang") as found:
        yield Path(found)


@asynccontextmanager
async def proxied(settings: Settings, folder: Path) -> AsyncIterator[tuple[Proxy, Settings]]:
    url = make_url(settings.database_url)
    proxy = Proxy(f"{url.query['host']}/.s.PGSQL.5432")
    server = await asyncio.start_unix_server(proxy.take, folder / ".s.PGSQL.5432")
    address = url.update_query_dict({"host": str(folder)}).render_as_string(hide_password=False)
    try:
        yield proxy, settings.model_copy(update={"database_url": address})
    finally:
        proxy.passing.set()
        server.close()


@asynccontextmanager
async def locked(url: str) -> AsyncIterator[None]:
    """Hold every table so that nobody else can even read it."""
    parsed = async_url(url)
    holder = await asyncpg.connect(host=parsed.query["host"], user=parsed.username, database=parsed.database)
    try:
        transaction = holder.transaction()
        while True:
            await transaction.start()
            tables = await holder.fetch("select quote_ident(tablename) from pg_tables where schemaname = 'public'")
            try:
                await holder.execute(f"lock table {', '.join(row[0] for row in tables)} in access exclusive mode")
                break
            except asyncpg.DeadlockDetectedError:
                # the worker took its tables in another order
                await transaction.rollback()
                transaction = holder.transaction()
        yield
        await transaction.rollback()
    finally:
        await holder.close()


def the_long_way(app: FastAPI, key: str) -> httpx2.AsyncClient:
    """Return a client whose events go through the framework, not over their short way."""

    async def framework(scope: Any, receive: Any, send: Any) -> None:
        await FastAPI.__call__(app, scope, receive, send)

    return httpx2.AsyncClient(transport=httpx2.ASGITransport(framework), base_url="http://test", headers={"X-Api-Key": key}, timeout=60)


async def timed(call: Any) -> tuple[int, str | None, float]:
    begun = time.monotonic()
    answer = await call
    return answer.status_code, answer.headers.get("retry-after"), time.monotonic() - begun


async def every(shop: Shop, calls: list[tuple[str, str, Any]]) -> dict[str, tuple[int, str | None, float]]:
    """Make all calls at once, events over both ways, and return status, Retry-After and seconds of each."""
    headers = {"X-Api-Key": shop.key}
    async with the_long_way(shop.app, shop.key) as long_way:
        waiting = {
            f"{n} {method} {path}": timed(shop.http.request(method, path, json=body, headers=headers, timeout=60))
            for n, (method, path, body) in enumerate(calls)
        }
        waiting["long way"] = timed(long_way.post("/v1/track", json=TRACK))
        for n in range(2):
            waiting[f"token {n}"] = timed(shop.http.post("/oauth/token", data=STRANGER, timeout=60))
        return dict(zip(waiting, await asyncio.gather(*waiting.values()), strict=True))


async def works(shop: Shop) -> bool:
    told = await every(shop, [call for call in CALLS if call[0] == "GET"] + CALLS[:2])
    return all(status == (401 if name.startswith("token") else 200) for name, (status, _, _) in told.items())


async def check_hanging(shop: Shop) -> None:
    await asyncio.sleep(1.1)  # a stranger is looked for at most once a second
    told = await every(shop, CALLS)
    wrong = {name: one for name, one in told.items() if one[0] != 503 or one[1] is None or one[2] > MOST_S}
    assert wrong == {}


async def test_routes_say_503_within_seconds_while_tables_are_locked(shop: Shop) -> None:
    assert await works(shop)
    async with locked(shop.settings.database_url):
        await check_hanging(shop)
    assert await shop.until(lambda: works(shop), 30)


async def test_routes_say_503_within_seconds_while_the_database_hangs(settings: Settings, db: Database, folder: Path) -> None:
    await stock(db, settings, models=False)
    async with proxied(settings, folder) as (proxy, through), running(through, db, work=False) as shop:
        assert await works(shop)
        proxy.passing.clear()
        await check_hanging(shop)
        proxy.passing.set()
        assert await shop.until(lambda: works(shop), 30)


async def test_a_sender_that_stops_waiting_leaves_nothing_behind(settings: Settings, db: Database, tenant: int) -> None:
    intake = Intake(db, DataKeys(settings), most_bytes=1_000_000)
    sender = asyncio.create_task(intake.store(tenant, [[_event()]]))
    intake._open = 2  # as if every lane was in a transaction
    await asyncio.sleep(0)
    sender.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sender
    assert (intake._waiting, intake._bytes) == ([], 0)


def _event() -> Any:
    from tests.data.conftest import event

    return event(1)


@pytest.mark.parametrize("error", [TimeoutError(), asyncpg.InternalClientError("got result for unknown protocol state")])
async def test_a_route_that_meets_a_lost_database_in_a_place_of_its_own_says_503(error: Exception) -> None:
    assert is_away(error)

    async def route(scope: Any, receive: Any, send: Any) -> None:
        raise error

    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(Deadline(route)), base_url="http://test") as http:
        answer = await http.get("/v1/items/i1")
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, Unavailable.code, "5")


async def test_a_fault_of_ours_is_no_lost_database() -> None:
    async def route(scope: Any, receive: Any, send: Any) -> None:
        raise KeyError("ours")

    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(Deadline(route)), base_url="http://test") as http:
        with pytest.raises(KeyError):
            await http.get("/v1/items/i1")


async def test_what_comes_after_the_deadline_is_kept_back_and_slow_bodies_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.core.deadline.CALL_S", 0.2)
    sent: list[Any] = []
    ended = asyncio.Event()

    async def route(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        try:
            await asyncio.sleep(30)
        finally:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            ended.set()

    async def receive() -> Any:
        await asyncio.sleep(0.5)  # longer than the deadline: the caller's own time
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    begun = time.monotonic()
    await Deadline(route)({"type": "http", "method": "POST", "path": "/v1/track", "headers": []}, receive, send)
    assert time.monotonic() - begun >= 0.7
    await ended.wait()
    assert [message.get("status") for message in sent if message["type"] == "http.response.start"] == [503]
