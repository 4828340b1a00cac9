"""Databases of tests: copies of one migrated template, on servers that keep their files in memory where there is room."""

import asyncio
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from app.core import migrations
from app.core.db import async_url
from app.core.embedded import Services, Urls, services
from app.core.settings import Settings

_MEMORY = Path("/dev/shm")
_PREFIX = "morsel-tests-"
_ROOM = 2 << 30  # for each process of a run, which takes a tenth of it
# whoever has it waits for every other session of the server, also for one whose client does not read, as between two tests
_STUCK_S = 5.0
_UNREAD = "select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'ClientWrite'"
# what these servers hold need not outlive the machine, and most of the time of a run went into waiting for the disk
_CARELESS = ("alter system set fsync = off", "alter system set full_page_writes = off", "select pg_reload_conf()")


@contextmanager
def started() -> Iterator[Urls]:
    """Run PostgreSQL and Valkey until the block ends; a database is hundreds of new files, a tenth as dear in memory as on a disk."""
    memory = _MEMORY if _has_room() else None
    if memory:
        _sweep()
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=memory) as folder, services(Settings(data_dir=Path(folder))) as urls:
        yield urls


def _has_room() -> bool:
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    return os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free >= processes * _ROOM


def _sweep() -> None:
    """Give back the memory of runs that were killed: nobody holds the lock of their servers any more."""
    for folder in _MEMORY.glob(f"{_PREFIX}*"):
        lock = folder / "owner.lock"
        if not lock.exists() or time.time() - lock.stat().st_mtime < 60:
            continue
        with lock.open("a") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            for server in Services(folder, postgres=True, valkey=True).servers:
                server.stop()
            shutil.rmtree(folder, ignore_errors=True)


class Databases:
    """Makes and drops databases, never while a test runs: whoever follows the log of events waits for every transaction of the server."""

    def __init__(self, server: str) -> None:
        """Make the template; `server` is the address of any database there."""
        self._server, self._loop = server, asyncio.new_event_loop()
        self._connection: asyncpg.Connection | None = None
        # the log would hold each page of a copy once more; without it the copy waits for all that others left to write
        self._strategy = "file_copy" if f"host={_MEMORY}/" in server else "wal_log"
        for statement in (*_CARELESS, "create database template_morsel"):
            self._do(statement)
        migrations.upgrade(self._url("template_morsel"))

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """Give the address of a migrated, empty database, which goes with the block."""
        name = f"t{os.urandom(6).hex()}"
        self._copy("template_morsel", name)
        yield self._url(name)
        self._do(f"drop database {name} with (force)")

    def refill(self, url: str, source: str) -> None:
        """Make an untouched database a copy of another; fails where somebody is connected to either, since they may have written to it."""
        self._do(f"drop database {_name(url)}")
        self._copy(_name(source), _name(url))

    def _copy(self, source: str, name: str) -> None:
        self._do(f"create database {name} template {source} strategy {self._strategy}")

    def _url(self, name: str) -> str:
        return self._server.replace("/morsel?", f"/{name}?")

    def _do(self, statement: str) -> None:
        self._loop.run_until_complete(self._execute(statement))

    async def _execute(self, statement: str) -> None:
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._connect()
        done = asyncio.ensure_future(self._connection.execute(statement))
        while not (await asyncio.wait([done], timeout=_STUCK_S))[0]:
            other = await self._connect()
            # their pools open another
            await other.execute(_UNREAD)
            await other.close()
        await done

    async def _connect(self) -> asyncpg.Connection:
        server = async_url(self._server)
        return await asyncpg.connect(host=server.query["host"], user=server.username, database="postgres")

    def close(self) -> None:
        """Leave the server."""
        if self._connection is not None:
            self._loop.run_until_complete(self._connection.close())
        self._loop.close()


def _name(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]
