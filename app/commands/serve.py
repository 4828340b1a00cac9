"""`morsel serve`: the parent of everything that answers. It owns the embedded servers, the worker process and the server processes."""

import asyncio
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import typer
import uvicorn
from uvicorn.supervisors import Multiprocess

from app.access import service as access
from app.commands.running import Context, fail, settings, with_database
from app.content.templates import service as templates
from app.core import ids, migrations, secret, telemetry
from app.core.db import Database
from app.core.embedded import Urls, services
from app.core.embedded.process import CannotStart
from app.core.logging import log
from app.core.settings import Settings
from app.data.partitions import ensure_partitions
from app.decisions.placements import service as placements

_BACKLOG = 4096


def serve(
    host: str = typer.Option("", help="Address to listen on (MORSEL_HOST)."),
    port: int = typer.Option(-1, help="Port to listen on (MORSEL_PORT)."),
    workers: int = typer.Option(0, help="Server processes (MORSEL_WORKERS)."),
    worker: bool = typer.Option(True, help="Start the background worker beside."),
) -> None:
    """Start the server, the background worker, and whatever embedded servers the settings leave to us."""
    for name, value in (("HOST", host), ("PORT", str(port) if port >= 0 else ""), ("WORKERS", str(workers) if workers else "")):
        if value:
            os.environ[f"MORSEL_{name}"] = value
    found = settings()
    try:
        access.check_exposure(found)
        secret.master(found)
        with services(found, must=False) as urls:
            prepare(found, urls)
            with background(worker):
                listen(found)
    except (access.Exposed, secret.WeakSecret, CannotStart) as error:
        fail(error)


def prepare(found: Settings, urls: Urls) -> None:
    """Hand the URLs to the processes to come, migrate, and give a fresh shop its defaults; all of it may wait for a database."""
    os.environ["MORSEL_DATABASE_URL"], os.environ["MORSEL_REDIS_URL"] = urls.database_url, urls.redis_url
    telemetry.prepare_folder(found.data_dir.resolve() / "telemetry")
    if not asyncio.run(reachable(urls.database_url)):
        log.warning("serve.database_down", then="answering from the last snapshot")
        return
    migrations.upgrade(urls.database_url)
    asyncio.run(_defaults(urls))


async def reachable(url: str) -> bool:
    """Tell whether the database answers within two seconds."""
    database = Database(url, 1, connect_timeout=2.0)
    try:
        async with asyncio.timeout(3):
            await database.rows("select 1")
    except Exception as error:
        # whatever is wrong with the database, the snapshot can still answer
        log.warning("serve.database_error", error=type(error).__name__)
        return False
    finally:
        await database.close()
    return True


async def _defaults(urls: Urls) -> None:
    database = Database(urls.database_url, 1)
    try:
        # before the first event: one that came without its month would lie in the default partition for good
        await ensure_partitions(database)
        await templates.add_defaults(database, ids.DEFAULT_TENANT)
        await placements.add_defaults(database, ids.DEFAULT_TENANT)
    finally:
        await database.close()


@contextmanager
def background(wanted: bool = True) -> Iterator[None]:
    """Keep the worker process running beside the block."""
    if not wanted:
        yield
        return
    ending = threading.Event()
    keeper = threading.Thread(target=_keep_worker, args=(ending,), name="worker-keeper", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        ending.set()
        keeper.join(timeout=15)


def _keep_worker(ending: threading.Event) -> None:
    pause = 0.0
    while not ending.wait(pause):
        # a session of its own: Ctrl-C reaches the parent, which ends the worker in order
        process = subprocess.Popen([sys.executable, "-m", "app.cli", "worker"], start_new_session=True)
        while process.poll() is None and not ending.wait(0.2):
            continue
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
            return
        log.error("worker.ended", status=process.returncode)
        pause = min(5.0, pause + 0.5)


def listen(found: Settings, application: str = "app.main:create_app", listening: socket.socket | None = None) -> None:
    """Serve until a signal comes; the processes share one socket and are replaced when they die.

    `application` names the factory that each process calls, `listening` a socket that is bound already.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    config = uvicorn.Config(
        application,
        factory=True,
        host=found.host,
        port=found.port,
        workers=found.workers,
        backlog=_BACKLOG,
        access_log=False,
        log_level="warning",
        server_header=False,
        http="app.serving.wire:ServingProtocol",
        timeout_graceful_shutdown=10,
        timeout_keep_alive=75,
        timeout_worker_healthcheck=30,  # also how long a replacement may take to become ready
        proxy_headers=False,
    )
    shared = listening or config.bind_socket()
    shared.set_inheritable(True)
    try:
        Multiprocess(config, sockets=[shared]).run()
    finally:
        shared.close()


def migrate() -> None:
    """Bring the database to the newest schema."""

    async def done(context: Context) -> None:
        await templates.add_defaults(context.db, context.tenant)
        await placements.add_defaults(context.db, context.tenant)

    with_database(done)
    typer.echo(f"schema {migrations.newest()}")
