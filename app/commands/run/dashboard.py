"""`morsel dashboard`: the pages for people, a client of the API; any number of processes may run."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import typer
import uvicorn
from uvicorn.supervisors import Multiprocess

from app.commands.context import free_port, settings
from app.core.settings import Settings

# not the next one: a second server beside the first is put there
_ABOVE = 1000


def dashboard(
    host: str = typer.Option("", help="Address to listen on (MORSEL_HOST)."),
    port: int = typer.Option(-1, help="Port to listen on (MORSEL_DASHBOARD_PORT)."),
    api: str = typer.Option("", help="Where the API is (MORSEL_API_URL)."),
    workers: int = typer.Option(1, min=1, max=64, help="Processes."),
) -> None:
    """Start the dashboard alone; `morsel serve` starts one beside the server."""
    for name, value in (("HOST", host), ("DASHBOARD_PORT", str(port) if port >= 0 else ""), ("API_URL", api)):
        if value:
            os.environ[f"MORSEL_{name}"] = value
    found = settings()
    config = uvicorn.Config(
        "app.dashboard.app:create_app",
        factory=True,
        host=found.host,
        port=found.dashboard_port or found.port + _ABOVE,
        workers=workers,
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=3,
        ws="none",
    )
    listening = config.bind_socket()
    if workers == 1:
        uvicorn.Server(config).run(sockets=[listening])
    else:
        Multiprocess(config, sockets=[listening]).run()


@contextmanager
def chosen(found: Settings) -> Iterator[str]:
    """Choose where the dashboard beside a server listens, for the processes to come; gives its address, empty where there is to be none."""
    if not found.dashboard:
        yield ""
        return
    port = found.dashboard_port or (found.port + _ABOVE if _free(found.host, found.port + _ABOVE) else free_port())
    os.environ["MORSEL_DASHBOARD_PORT"] = str(port)
    yield address(found, port)


def address(found: Settings, port: int) -> str:
    """Return where people reach the dashboard."""
    if found.dashboard_url:
        return found.dashboard_url.rstrip("/")
    host = "127.0.0.1" if found.host in ("0.0.0.0", "::", "") else found.host  # noqa: S104 - compared, not bound
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _free(host: str, port: int) -> bool:
    if not 0 < port < 65_536:
        return False
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
    except OSError:
        return False
    return True
