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
from typing import NoReturn

import typer
import uvicorn
from uvicorn.supervisors import Multiprocess

from app.commands.gate import Gate
from app.commands.reading import settings
from app.core import telemetry
from app.core.embedded import Urls, services
from app.core.embedded.process import CannotStart
from app.core.logging import log
from app.core.settings import Settings

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
    starting = Starting(found)
    try:
        with services(found, must=False) as urls:
            hand_over(found, urls)
            with starting.beside(urls), background(worker, starting.done):
                listen(found, "app.commands.gate:application", ending=starting.failed)
    except CannotStart as error:
        refuse(error)
    starting.check()


def refuse(error: Exception) -> NoReturn:
    """End the command with what keeps the server from starting."""
    typer.echo(f"error: {error}", err=True)
    raise typer.Exit(1)


def hand_over(found: Settings, urls: Urls) -> None:
    """Tell the processes to come where the servers are, and where they count together."""
    os.environ["MORSEL_DATABASE_URL"], os.environ["MORSEL_REDIS_URL"] = urls.database_url, urls.redis_url
    telemetry.prepare_folder(found.data_dir.resolve() / "telemetry")


class Starting:
    """Prepares the database in a thread while the server processes load their modules, which takes them longer."""

    def __init__(self, found: Settings) -> None:
        self._found = found
        self._fault: Exception | None = None
        self.done = threading.Event()
        self.failed = threading.Event()

    @contextmanager
    def beside(self, urls: Urls) -> Iterator[None]:
        """Prepare beside the block; processes that it starts wait at the gate until that is done."""
        gate = Gate(self._found.data_dir.resolve())
        thread = threading.Thread(target=self._prepare, args=(urls, gate), name="prepare")
        thread.start()
        try:
            yield
        finally:
            thread.join()
            gate.remove()

    def _prepare(self, urls: Urls, gate: Gate) -> None:
        try:
            # heavy: what it loads must not hold up the processes
            from app.commands import preparing

            preparing.check(self._found)
            preparing.prepare(urls)
        except Exception as error:
            self._fault = error
            self.failed.set()
            gate.refuse()
        else:
            gate.open()
            self.done.set()

    def check(self) -> None:
        """Raise what went wrong; a refusal ends the command with its text."""
        if self._fault is None:
            return
        from app.commands.preparing import REFUSALS

        if isinstance(self._fault, REFUSALS):
            refuse(self._fault)
        raise self._fault


@contextmanager
def background(wanted: bool = True, after: threading.Event | None = None) -> Iterator[None]:
    """Keep the worker process running beside the block, once `after` is set."""
    if not wanted:
        yield
        return
    ending = threading.Event()
    keeper = threading.Thread(target=_keep_worker, args=(ending, after), name="worker-keeper", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        ending.set()
        keeper.join(timeout=15)


def _keep_worker(ending: threading.Event, after: threading.Event | None) -> None:
    while after is not None and not after.wait(0.1):
        if ending.is_set():
            return
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


def listen(found: Settings, application: str, listening: socket.socket | None = None, ending: threading.Event | None = None) -> None:
    """Serve until a signal comes or `ending` is set; the processes share one socket and are replaced when they die.

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
        processes = Multiprocess(config, sockets=[shared])
        processes.should_exit = ending or processes.should_exit
        processes.run()
    finally:
        shared.close()
