"""`make bench-events`: events that are durable a second, HTTP included, beside a raw COPY of the same rows into the same tables.

Server processes (`--servers`, one a core of two by default) without the background worker take the events; the worker is started after them
on what they left. PostgreSQL and Valkey come from wheels, with fsync on. Bodies are made before the clock starts. Rounds of Morsel
and of COPY alternate, and medians are told. At last `visible.py` measures how long an event takes until the next answer knows it.
"""

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import uvloop

from app.access import service as access
from app.access.domain import ClientKind, KeyKind, Scope
from app.access.schemas import NewClient, NewKey
from app.commands.context import free_port
from app.core import logging, migrations
from app.core.db import Database, driver
from app.core.embedded import Urls, services
from app.core.ids import DEFAULT_TENANT
from app.core.partitions import ensure_partitions
from app.core.settings import Settings
from app.data.catalogue.service import put_items
from app.data.events.store import COLUMNS
from benchmarks.driving import counter, until
from benchmarks.sending import Client, Load, Took
from benchmarks.serving import figures, processes, setup
from benchmarks.visible import visible

PEOPLE = 5_000
ITEMS = 2_000
# share of the rate of COPY that is promised, and three times what is known of another intake, in events/s
SHARE = 0.4
ONE_BY_ONE, HUNDREDS, THOUSANDS = 3 * 77, 3 * 5_300, 3 * 11_300
_EVENT = (
    b'{"type":"track","event":"Product Viewed","userId":"p%d","messageId":"%s","timestamp":"2026-05-01T10:%02d:%02d.123Z",'
    b'"integrations":{},"context":{"library":{"name":"analytics-python","version":"2.4.0"},"ip":"203.0.113.7","page":{"path":"/p/%d"}},'
    b'"properties":{"product_id":"sku-%06d","price":%d.90,"currency":"GBP","position":3}}'
)


@dataclass
class Bench:
    """A running server over a database, and the key to send with."""

    db_url: str
    address: str
    key: str
    pids: tuple[int, ...]

    def cpu(self) -> float:
        """Return the seconds of CPU that the server processes have used."""
        return sum(map(processes.cpu, self.pids))

    def memory(self, field: str = "VmRSS") -> float:
        """Return the MB of the largest server process."""
        return max(processes.memory_mb(pid, field) for pid in self.pids)

    def requests(self, load: Load) -> list[list[bytes]]:
        """Return each client's requests, every message new."""
        found: list[list[bytes]] = [[] for _ in range(load.clients)]
        number = 0
        for one in range(max(load.clients, load.events // load.each)):
            messages = [_message(number := number + 1) for _ in range(load.each)]
            body = messages[0] if load.each == 1 else b'{"batch":[%s],"sentAt":null}' % b",".join(messages)
            path = "track" if load.each == 1 else "batch"
            head = f"POST /v1/{path} HTTP/1.1\r\nHost: x\r\nX-Api-Key: {self.key}\r\nContent-Type: application/json\r\n"
            found[one % load.clients].append(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        return found

    def send(self, load: Load) -> Took:
        """Send a load; a bad answer is counted, a lost connection raises."""
        requests = self.requests(load)
        host, _, port = self.address.partition(":")

        async def drive() -> Took:
            loop = asyncio.get_running_loop()
            clients = [(await loop.create_connection(lambda mine=mine: Client(mine), host, int(port)))[1] for mine in requests]  # type: ignore[misc]
            began = time.perf_counter()
            for client in clients:
                client.send()
            await asyncio.gather(*(client.done for client in clients))
            seconds = time.perf_counter() - began
            return Took(seconds, [ms for c in clients for ms in c.milliseconds], sum(c.bad for c in clients))

        return uvloop.run(drive())

    def rate(self, load: Load) -> tuple[float, Took, float]:
        """Send a load; return events/s, what it took, and the rows of a commit."""
        groups, rows = self._groups()
        took = self.send(load)
        if took.bad:
            raise RuntimeError(f"{took.bad} requests were not stored as sent")
        after, stored = self._groups()
        events = stored - rows
        return events / took.seconds, took, events / (after - groups)

    def _groups(self) -> tuple[float, float]:
        return counter(self.address, "morsel_intake_group_requests_count"), counter(self.address, "morsel_events_accepted_total")


def _message(number: int) -> bytes:
    item = number % ITEMS
    ids = (number * 7919 % PEOPLE, str(uuid.uuid4()).encode(), number // 60 % 60, number % 60)
    return _EVENT % (*ids, item, item, 10 + item % 90)


async def copy(url: str, rows: int, a_commit: int) -> float:
    """Return rows/s of COPY, by asyncpg over one connection, of the newest rows that Morsel stored, `a_commit` in each transaction."""
    db = Database(url, 1)
    try:
        found = await db.rows(f"select {', '.join(COLUMNS)} from event order by xid desc, event_no desc limit {rows}")
        records = [tuple(row) for row in found]
        async with db.engine.connect() as connection:
            below: Any = (await connection.get_raw_connection()).driver_connection
            began = time.perf_counter()
            for first in range(0, len(records), a_commit):
                async with below.transaction():
                    await below.copy_records_to_table("event", columns=COLUMNS, records=records[first : first + a_commit])
            seconds = time.perf_counter() - began
        return len(records) / seconds
    finally:
        await db.close()


async def build(settings: Settings, url: str) -> str:
    """Fill a catalogue, make this month's partitions, and return a write key without a practical limit."""
    db = Database(url)
    try:
        await put_items(db, settings, DEFAULT_TENANT, [setup.item(number) for number in range(ITEMS)])
        await ensure_partitions(db)
        wanted = NewClient(name="bench", kind=ClientKind.SERVICE, scopes=[Scope.EVENTS], rate_limit="1000000000/minute")
        made = await access.create_client(db, settings, DEFAULT_TENANT, wanted)
        return (await access.create_key(db, DEFAULT_TENANT, made.client_id, NewKey(kind=KeyKind.WRITE))).key
    finally:
        await db.close()


@contextlib.contextmanager
def bench(folder: Path, servers: int) -> Iterator[tuple[Bench, Settings, Urls]]:
    """Yield a server, without the background worker, over embedded services of its own."""
    settings = Settings(data_dir=folder / "data", model_dir=folder / "models", log_level="error")
    with services(settings) as urls:
        migrations.upgrade(urls.database_url)
        key = asyncio.run(build(settings, urls.database_url))
        port = free_port()
        command = [sys.executable, "-m", "app.cli", "serve", "--no-worker", "--workers", str(servers), "--port", str(port)]
        with processes.program(command, setup.variables(settings, urls), port, "/readyz") as running:
            pids = processes.serving(running.pids[0])
            yield Bench(urls.database_url, f"127.0.0.1:{port}", key, pids), settings, urls


def grouped(found: Bench, rounds: int, load: Load) -> None:
    """Tell the rate of requests of 100 events beside COPY, in alternating rounds."""
    ours, theirs, commits, cpu = [], [], [], []
    for _ in range(rounds):
        used = found.cpu()
        rate, _, rows = found.rate(load)
        cpu.append(1e6 * (found.cpu() - used) / load.events)
        ours.append(rate)
        commits.append(rows)
        theirs.append(asyncio.run(copy(found.db_url, load.events, max(1, round(rows)))))
    rate = figures.middle(ours)
    figures.tell("events_100_against_copy", rate, "events/s", baseline=figures.middle(theirs), target=SHARE)
    figures.tell("events_100_clients_32", rate, "events/s", target=HUNDREDS)
    figures.tell("events_100_rows_a_commit", figures.middle(commits), "rows")
    figures.tell("events_100_server_cpu", figures.middle(cpu), "us")


def several(rounds: int, one: Callable[[], tuple[float, Took, float]]) -> tuple[float, float]:
    """Return the medians of events/s and of the p99 of a request in milliseconds."""
    found = [one() for _ in range(rounds)]
    return figures.middle([rate for rate, _, _ in found]), figures.middle([took.percentile(0.99) for _, took, _ in found])


async def _caught_up(url: str) -> bool:
    """Tell whether the worker's positions lie at the newest event."""
    db = Database(url, 1)
    try:
        newest = "(select max(xid) from event)"
        return bool((await db.rows(f"select count(*) > 0 and bool_and(xid >= {newest}) from log_position where reader = 'states'"))[0][0])
    finally:
        await db.close()


async def _begun(url: str) -> bool:
    db = Database(url, 1)
    try:
        return bool((await db.rows("select exists (select from person_state)"))[0][0])
    finally:
        await db.close()


async def _copied_away(url: str) -> None:
    """Take the rows that COPY added out again: the worker is to be measured on events that Morsel took in."""
    db = Database(url, 1)
    try:
        async with db.begin() as connection:
            await (await driver(connection)).execute("truncate event, seen_0, seen_1")
    finally:
        await db.close()


def applied(found: Bench, settings: Settings, urls: Urls, events: int) -> None:
    """Tell how many events a second one worker brings to states that start from nothing."""
    asyncio.run(_copied_away(found.db_url))
    found.rate(Load(100, 32, events))
    command = [sys.executable, "-m", "app.cli", "worker"]
    with subprocess.Popen(command, cwd=processes.ROOT, env={**os.environ, **setup.variables(settings, urls)}) as worker:
        try:
            until(lambda: asyncio.run(_begun(found.db_url)), 60, "the first state")
            began = time.perf_counter()
            until(lambda: asyncio.run(_caught_up(found.db_url)), 600, "the events to be applied")
            figures.tell("applied_one_worker", events / (time.perf_counter() - began), "events/s")
        finally:
            worker.terminate()


def imported(found: Bench, settings: Settings, urls: Urls, rows: int) -> None:
    """Tell how many rows a second `morsel import events` stores, its start and its report included."""
    file, mapping = settings.data_dir / "rows.csv", settings.data_dir / "rows.toml"
    lines = (
        f"p{n * 7919 % PEOPLE},sku-{n % ITEMS:06d},2026-04-01T10:{n // 60 % 60:02d}:{n % 60:02d}Z,o{n // 3},2,9.90" for n in range(rows)
    )
    file.write_text("user,item,at,order,pieces,price\n" + "\n".join(lines))
    mapping.write_text(
        '[columns]\nuser_id = "user"\nitem_id = "item"\noccurred_at = "at"\norder_id = "order"\nquantity = "pieces"\nprice = "price"\n'
        '[constants]\nkind = "purchase"\n'
    )
    command = [sys.executable, "-m", "app.cli", "import", "events", str(file), "--source", "till", "--mapping", str(mapping)]
    began = time.perf_counter()
    subprocess.run(
        command, cwd=processes.ROOT, env={**os.environ, **setup.variables(settings, urls)}, check=True, stdout=subprocess.DEVNULL
    )
    figures.tell("import_rows", rows / (time.perf_counter() - began), "rows/s")


def flat(found: Bench, events: int) -> None:
    """Tell what many more events leave in the memory of the server processes."""
    found.send(Load(100, 32, 100_000))
    before = found.memory()
    for _ in range(events // 100_000):
        found.send(Load(100, 32, 100_000))
    figures.tell(f"server_memory_after_{events}_more_events", found.memory(), "MB", baseline=before)


def main() -> int:
    """Measure; the status is 1 when a target was missed."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument(
        "--events", type=int, default=32_000, help="Events of one round in requests of 100; the other loads take a share."
    )
    arguments.add_argument("--servers", type=int, default=2, help="Server processes.")
    arguments.add_argument("--flat", type=int, default=0, help="Events to send in the end, for what they leave in memory.")
    given = arguments.parse_args()
    logging.configure("error", "console")
    with tempfile.TemporaryDirectory(prefix="morsel-bench-") as folder, bench(Path(folder), given.servers) as (found, settings, urls):
        rate, _, _ = found.rate(Load(100, 8, PEOPLE))
        figures.tell("first_events_of_new_people", rate, "events/s")
        before = found.memory()
        grouped(found, given.rounds, Load(100, 32, given.events))
        used, single = found.cpu(), given.rounds * (given.events // 8)
        rate, p99 = several(given.rounds, lambda: found.rate(Load(1, 64, given.events // 8)))
        figures.tell("event_1_server_cpu", 1e6 * (found.cpu() - used) / single, "us")
        figures.tell("events_1_clients_64", rate, "events/s")
        figures.tell("events_1_clients_64_p99", p99, "ms")
        rate, _ = several(given.rounds, lambda: found.rate(Load(1, 1, given.events // 64)))
        figures.tell("events_1_client_1", rate, "events/s", target=ONE_BY_ONE)
        rate, _ = several(given.rounds, lambda: found.rate(Load(1_000, 4, given.events)))
        figures.tell("events_1000_clients_4", rate, "events/s", target=THOUSANDS)
        sent = PEOPLE + given.rounds * (2 * given.events + given.events // 8 + given.events // 64)
        figures.tell(f"server_memory_after_{sent}_events", found.memory(), "MB", baseline=before)
        figures.tell("server_memory_peak", found.memory("VmHWM"), "MB")
        applied(found, settings, urls, given.events)
        imported(found, settings, urls, given.events)
        if given.flat:
            flat(found, given.flat)
    visible(min(400, given.events // 40))
    return 1 if figures.missed else 0


if __name__ == "__main__":
    sys.exit(main())
