"""One owner of the embedded servers: it starts, watches, restarts and stops them; other processes only use them."""

import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from app.core.embedded.postgres import Postgres
from app.core.embedded.process import CannotStart
from app.core.embedded.valkey import Valkey
from app.core.logging import log
from app.core.settings import Settings

_LONGEST_PAUSE = 5.0


@dataclass(frozen=True)
class Urls:
    """Where the database and the cache are."""

    database_url: str
    redis_url: str


class Services:
    """The embedded servers that the settings leave to us, and the thread that keeps them alive."""

    def __init__(self, data: Path, *, postgres: bool, valkey: bool) -> None:
        self.servers: list[Postgres | Valkey] = []
        if postgres:
            self.servers.append(Postgres(data))
        if valkey:
            self.servers.append(Valkey(data))
        self._ending = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="embedded", daemon=True)

    def start(self, *, must: bool) -> None:
        """Start every server; with `must` a failure is raised, else logged and tried again by the watcher."""
        for server in self.servers:
            try:
                server.start()
            except (CannotStart, OSError) as error:
                if must:
                    raise
                log.error("embedded.cannot_start", server=server.name, error=str(error))
        self._watcher.start()

    def stop(self) -> None:
        """Stop watching, then stop every server."""
        self._ending.set()
        if self._watcher.is_alive():
            self._watcher.join(timeout=30)
        for server in reversed(self.servers):
            server.stop()

    def _watch(self) -> None:
        pause = {server.name: 0.0 for server in self.servers}
        due = dict(pause)
        while not self._ending.wait(0.25):
            for server in self.servers:
                if server.alive():
                    continue
                if time.monotonic() < due[server.name]:
                    continue
                pause[server.name] = min(_LONGEST_PAUSE, pause[server.name] * 2 + 0.25)
                try:
                    server.start()
                    pause[server.name] = 0.0
                    log.warning("embedded.restarted", server=server.name)
                except (CannotStart, OSError) as error:
                    log.error("embedded.cannot_start", server=server.name, error=str(error))
                due[server.name] = time.monotonic() + pause[server.name]


@contextmanager
def services(settings: Settings, *, must: bool = True, wait_s: float = 60) -> Iterator[Urls]:
    """Yield the URLs to use, starting the embedded servers when nobody else owns them.

    When another process owns them, this one only uses them. Raises CannotStart with `must` when they cannot be had.
    """
    postgres, valkey = not settings.database_url, not settings.redis_url
    if not postgres and not valkey:
        yield Urls(settings.database_url, settings.redis_url)
        return
    data = settings.data_dir.resolve()
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = Services(data, postgres=postgres, valkey=valkey)
    urls = _urls(settings, found)
    lock = _own(data)
    if lock is None:
        if must:
            _wait_for_owner(found, wait_s)
        yield urls
        return
    try:
        found.start(must=must)
        yield urls
    finally:
        found.stop()
        lock.close()


def _urls(settings: Settings, found: Services) -> Urls:
    by_name = {server.name: server.url for server in found.servers}
    return Urls(by_name.get("postgresql", settings.database_url), by_name.get("valkey", settings.redis_url))


def _own(data: Path) -> IO[str] | None:
    """Take the owner's lock; it goes with the process, however that ends."""
    lock = (data / "owner.lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    lock.truncate(0)
    lock.write(json.dumps({"pid": os.getpid()}))
    lock.flush()
    os.set_inheritable(lock.fileno(), False)
    return lock


def _wait_for_owner(found: Services, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not all(server.alive() for server in found.servers):
        if time.monotonic() > end:
            raise CannotStart("another morsel owns the embedded servers but they do not run; stop it or set MORSEL_DATA_DIR")
        time.sleep(0.1)
