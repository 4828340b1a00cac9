"""What happens before a server answers: its port, its database, and a summary of what it found where."""

import asyncio
import errno
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import typer

from app.access.accounts import service as accounts
from app.commands.context import fail
from app.content.templates import service as templates
from app.core import ids, migrations, outage, parent, telemetry
from app.core.db import Database
from app.core.embedded import Urls
from app.core.logging import log
from app.core.partitions import ensure_partitions
from app.core.settings import ENV_FILE, Settings, given
from app.decisions.placements import service as placements
from app.ml.registry import service as registry
from app.wiring import public_url

# A server that was killed leaves its port a moment later: its processes look for their parent four times a second.
_PORT_WAIT_S = 3.0
_LONGEST_PAUSE_S = 5.0


@contextmanager
def bound(found: Settings) -> Iterator[socket.socket]:
    """Take the port before any work begins; connections are refused until the servers listen. Ends the command where it is taken."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(found.host, found.port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        with listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            _bind(listening, address)
            yield listening
    except _Taken as error:
        fail(
            f"cannot listen on {found.host} port {found.port} ({error}); "
            "choose another: --port, MORSEL_PORT, or PORT=8001 in front of `make demo`"
        )


class _Taken(Exception):
    """The address cannot be had; says why."""


def _bind(listening: socket.socket, address: object) -> None:
    end = time.monotonic() + _PORT_WAIT_S
    while True:
        try:
            listening.bind(address)  # type: ignore[arg-type]
            return
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > end:
                raise _Taken(error.strerror or str(error)) from None
        time.sleep(0.1)


class Preparation:
    """Migrates the database and gives a fresh shop its defaults: before the servers start, or behind them once it can be reached."""

    def __init__(self, urls: Urls) -> None:
        self._urls = urls
        self._told = ""
        self.done = threading.Event()

    def begin(self) -> None:
        """Try once; where the database is away, go on trying in the background."""
        if self._try():
            self.done.set()
            return
        threading.Thread(target=self._go_on, name="preparation", daemon=True).start()

    def _go_on(self) -> None:
        pause = 0.5
        while not self._try():
            time.sleep(pause)
            pause = min(_LONGEST_PAUSE_S, 2 * pause)
        log.info("serve.database_ready", database=outage.place(self._urls.database_url))
        self.done.set()

    def _try(self) -> bool:
        try:
            asyncio.run(_reach(self._urls.database_url))
            migrations.upgrade(self._urls.database_url)
            asyncio.run(add_defaults(self._urls.database_url))
        except Exception as error:
            # whatever is wrong with the database, the last snapshot can still answer; each reason is told once
            if (why := outage.cause(error)) != self._told:
                log.warning("serve.database_down", database=outage.place(self._urls.database_url), error=why, then="trying again")
                self._told = why
            return False
        return True


def prepare(found: Settings, urls: Urls) -> Preparation:
    """Hand the URLs to the processes to come, and begin to prepare the database."""
    os.environ["MORSEL_DATABASE_URL"], os.environ["MORSEL_REDIS_URL"] = urls.database_url, urls.redis_url
    parent.announce()
    telemetry.prepare_folder(found.data_dir.resolve() / "telemetry")
    preparation = Preparation(urls)
    preparation.begin()
    return preparation


async def _reach(url: str) -> None:
    """Ask the database something; a server that hangs is as good as none."""
    database = Database(url, 1, connect_timeout=2.0)
    try:
        async with asyncio.timeout(3):
            await database.rows("select 1")
    finally:
        await database.close()


async def add_defaults(url: str) -> None:
    """Make this month's partitions, and the placements and templates that a fresh shop has."""
    database = Database(url, 1)
    try:
        # before the first event: one that came without its month would lie in the default partition for good
        await ensure_partitions(database)
        await templates.add_defaults(database, ids.DEFAULT_TENANT)
        await placements.add_defaults(database, ids.DEFAULT_TENANT)
    finally:
        await database.close()


def summary(found: Settings, urls: Urls, sources: dict[str, str], *, ready: bool, dashboard: str = "") -> None:
    """Print where everything is: address, database, Redis, folders, live models, and which settings were read from where."""
    beside = [name for name, where in sources.items() if where == str(ENV_FILE)]
    around = [name for name, where in sources.items() if where != str(ENV_FILE) and name != parent.NAME]
    private = f"private, from wheels, in {found.data_dir.resolve()}"
    rows = {
        "address": f"{public_url(found)} ({found.workers} server process{'es' if found.workers > 1 else ''}); documentation at /docs",
        "dashboard": _dashboard(urls, dashboard, ready),
        "database": outage.place(urls.database_url) if found.database_url else private,
        "redis": re.sub(r"//[^@/]*@", "//", urls.redis_url) if found.redis_url else private,
        "data": str(found.data_dir.resolve()),
        "models": f"{found.model_dir.resolve()}: {asyncio.run(_live(urls.database_url)) if ready else 'unknown, the database is away'}",
        "settings": "; ".join(
            [f"from the environment: {', '.join(around)}"] * bool(around) + [f"from {ENV_FILE}: {', '.join(beside)}"] * bool(beside)
        )
        or "all as they come",
    }
    typer.echo("\n".join([f"Morsel {version('morsel')}", *(f"  {name:<9} {text}" for name, text in rows.items())]))
    _warn_of_old_models(found)


def _dashboard(urls: Urls, address: str, ready: bool) -> str:
    if not address:
        return "none; MORSEL_DASHBOARD=true starts one beside"
    link = asyncio.run(_first_link(urls.database_url)) if ready else None
    return f"{address}; nobody has entered yet, this link is for you: {address}/enter?link={link}" if link else address


async def _first_link(url: str) -> str | None:
    database = Database(url, 1)
    try:
        return await accounts.first_link(database, ids.DEFAULT_TENANT)
    finally:
        await database.close()


def _warn_of_old_models(found: Settings) -> None:
    """Say where models of a release lie that kept them in the present folder."""
    old = Path("model_store")
    new = found.model_dir.resolve()
    if "MORSEL_MODEL_DIR" not in given() and not found.model_dir.exists() and any(old.glob("*/*/*/manifest.json")):
        typer.echo(f"  note      {old.resolve()} holds models of an earlier release: move it to {new}, or set MORSEL_MODEL_DIR")


async def _live(url: str) -> str:
    database = Database(url, 1)
    try:
        live = await registry.live(database, ids.DEFAULT_TENANT)
    finally:
        await database.close()
    return ", ".join(f"{name} {one.version}" for name, one in sorted(live.items())) or "none is live yet; see `morsel train`"
