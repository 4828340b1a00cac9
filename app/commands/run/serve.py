"""`morsel serve`: the parent of everything that answers. It owns the embedded servers, the worker process and the server processes."""

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
from app.commands.context import Context, fail, settings, with_database
from app.commands.run.dashboard import chosen
from app.commands.run.startup import Preparation, bound, prepare, summary
from app.content.templates import service as templates
from app.core import migrations, secret
from app.core.embedded import services
from app.core.embedded.process import CannotStart
from app.core.logging import log
from app.core.settings import Settings, given
from app.decisions.placements import service as placements

_BACKLOG = 4096


def serve(
    host: str = typer.Option("", help="Address to listen on (MORSEL_HOST)."),
    port: int | None = typer.Option(None, help="Port to listen on (MORSEL_PORT)."),
    workers: int | None = typer.Option(None, help="Server processes (MORSEL_WORKERS)."),
    worker: bool = typer.Option(True, help="Start the background worker beside."),
) -> None:
    """Start the server, the background worker, and whatever embedded servers the settings leave to us."""
    for name, value in (("HOST", host or None), ("PORT", port), ("WORKERS", workers)):
        if value is not None:
            os.environ[f"MORSEL_{name}"] = str(value)
    found = settings()
    try:
        access.check_exposure(found)
        secret.master(found)
        sources = given()
        with bound(found) as listening, services(found, must=False) as urls, chosen(found) as dashboard:
            preparation = prepare(found, urls)
            summary(found, urls, sources, ready=preparation.done.is_set(), dashboard=dashboard)
            with background(preparation, *beside(worker, dashboard)):
                listen(found, listening)
    except (access.Exposed, secret.WeakSecret, CannotStart) as error:
        fail(error)


@contextmanager
def background(preparation: Preparation, *commands: str) -> Iterator[None]:
    """Keep processes of these commands running beside the block, once the database is prepared."""
    ending = threading.Event()
    keepers = [threading.Thread(target=_keep, args=(name, preparation, ending), name=f"{name}-keeper", daemon=True) for name in commands]
    for keeper in keepers:
        keeper.start()
    try:
        yield
    finally:
        ending.set()
        for keeper in keepers:
            keeper.join(timeout=15)


def _keep(command: str, preparation: Preparation, ending: threading.Event) -> None:
    while not preparation.done.wait(0.2):
        if ending.is_set():
            return
    pause = 0.0
    while not ending.wait(pause):
        # a session of its own: Ctrl-C reaches the parent, which ends the process in order
        process = subprocess.Popen([sys.executable, "-m", "app.cli", command], start_new_session=True)
        while process.poll() is None and not ending.wait(0.2):
            continue
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
            return
        log.error(f"{command}.ended", status=process.returncode)
        pause = min(5.0, pause + 0.5)


def beside(worker: bool, dashboard: str) -> list[str]:
    """Return the commands that run beside a server."""
    return ["worker"] * worker + ["dashboard"] * bool(dashboard)


def listen(found: Settings, listening: socket.socket, application: str = "app.main:create_app") -> None:
    """Serve on a bound socket until a signal comes; the processes share it and are replaced when they die.

    `application` names the factory that each process calls.
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
        http="app.serving.edge.protocol:ServingProtocol",
        ws="none",
        timeout_graceful_shutdown=10,
        timeout_keep_alive=75,
        timeout_worker_healthcheck=30,  # also how long a replacement may take to become ready
        proxy_headers=False,
    )
    listening.set_inheritable(True)
    Multiprocess(config, sockets=[listening]).run()


def migrate() -> None:
    """Bring the database to the newest schema."""

    async def done(context: Context) -> None:
        await templates.add_defaults(context.db, context.tenant)
        await placements.add_defaults(context.db, context.tenant)

    with_database(done)
    typer.echo(f"schema {migrations.newest()}")
