"""A small shop with its API, its worker and its dashboard, all as they run in production, in a thread of their own."""

import asyncio
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn

from app import worker
from app.access.accounts import service as accounts
from app.access.accounts.domain import Role
from app.access.accounts.schemas import Enter, NewAccount
from app.access.accounts.signing_in import enter
from app.core.db import Database
from app.core.embedded import Urls
from app.core.ids import DEFAULT_TENANT
from app.core.settings import Settings
from app.dashboard.app import create_app as create_dashboard
from app.demo.state import Kept
from app.main import create_app
from tests.demo.conftest import stocked

PASSWORD = "a horse reads quietly"


@dataclass
class Site:
    """Where everything is: `kept` names people and items, `admin` may do everything at the API."""

    api: str
    url: str
    login: str
    kept: Kept
    settings: Settings
    loop: asyncio.AbstractEventLoop
    ending: asyncio.Event

    def do(self, work: Any) -> Any:
        """Run a coroutine where the servers run."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def browser(self, role: Role = Role.ADMIN) -> "Browser":
        """Return a client with the cookies of somebody who signed in."""
        return Browser(self, self.do(self._session(role)))

    def shop(self) -> httpx.Client:
        """Return a client that asks for answers and sends events as the shop does."""
        return httpx.Client(base_url=self.api, headers={"X-Api-Key": self.kept.credentials["api_key"]}, timeout=30)

    def admin(self) -> httpx.Client:
        """Return a client of the admin API."""
        token = self.do(self._session(Role.ADMIN))
        return httpx.Client(base_url=self.api, headers={"Authorization": f"Bearer {token}"}, timeout=30)

    async def _session(self, role: Role) -> str:
        db = Database(self.settings.database_url, 1)
        try:
            email = f"{role}@shop.example"
            found = [one for one in await accounts.listed(db, DEFAULT_TENANT) if one.email == email]
            if found:
                link = await accounts.first_link(db, DEFAULT_TENANT, email, "demo")
            else:
                link = (await accounts.invite(db, DEFAULT_TENANT, "test", NewAccount(email=email, role=role))).link
            return (await enter(db, self.settings, Enter(link=link or "", password=PASSWORD))).token
        finally:
            await db.close()


class Browser:
    """Pages without a browser: what a form sends is taken from the page that shows it."""

    def __init__(self, site: Site, token: str) -> None:
        port = int(site.url.rsplit(":", 1)[1])
        self.token = token
        self.http = httpx.Client(base_url=site.url, cookies={f"morsel_{port}": token}, follow_redirects=True, timeout=60)

    def get(self, path: str, status: int = 200) -> str:
        """Return a page."""
        answer = self.http.get(path)
        assert answer.status_code == status, (path, answer.status_code, answer.text[:2000])
        return answer.text

    def post(self, path: str, status: int = 200, files: Any = None, **values: Any) -> str:
        """Send a form with the token of a page, and return the page that follows."""
        token = re.search(r'name="csrf" content="([0-9a-f]+)"', self.get("/account"))
        assert token
        answer = self.http.post(path, data={"csrf": token[1], **values}, files=files)
        assert answer.status_code == status, (path, answer.status_code, answer.text[:2000])
        return answer.text


def _listening() -> socket.socket:
    made = socket.socket()
    made.bind(("127.0.0.1", 0))
    return made


class _Server(uvicorn.Server):
    def install_signal_handlers(self) -> None:
        return


@contextmanager
def running(settings: Settings) -> Iterator[Site]:
    """Stock the shop and serve it until the block ends."""
    started: Future[Site] = Future()
    thread = threading.Thread(target=lambda: asyncio.run(_run(settings, started)), daemon=True)
    thread.start()
    site = started.result(180)
    try:
        yield site
    finally:
        site.loop.call_soon_threadsafe(site.ending.set)
        thread.join(30)


async def _run(settings: Settings, started: "Future[Site]") -> None:
    ending = asyncio.Event()
    try:
        kept = await stocked(settings)
        sockets = [_listening(), _listening()]
        addresses = [f"http://127.0.0.1:{one.getsockname()[1]}" for one in sockets]
        chosen = settings.model_copy(update={"port": sockets[0].getsockname()[1]})
        apps = [create_app(chosen), create_dashboard(chosen, addresses[0])]
        servers = [
            _Server(uvicorn.Config(app, log_level="warning", access_log=False, ws="none", timeout_graceful_shutdown=2)) for app in apps
        ]
        stop = asyncio.Event()
        tasks = [asyncio.create_task(server.serve([one])) for server, one in zip(servers, sockets, strict=True)]
        tasks.append(asyncio.create_task(worker.run(chosen, Urls(chosen.database_url, chosen.redis_url), stop)))
        while not all(server.started for server in servers):  # noqa: ASYNC110 - uvicorn tells it by a flag
            await asyncio.sleep(0.05)
        db = Database(chosen.database_url, 1)
        link = await accounts.first_link(db, DEFAULT_TENANT, "demo@localhost", "demo")
        await db.close()
        started.set_result(
            Site(addresses[0], addresses[1], f"{addresses[1]}/enter?link={link}", kept, chosen, asyncio.get_running_loop(), ending)
        )
    except BaseException as error:
        started.set_exception(error)
        raise
    await ending.wait()
    stop.set()
    for server in servers:
        server.should_exit = True
    await asyncio.gather(*tasks, return_exceptions=True)
