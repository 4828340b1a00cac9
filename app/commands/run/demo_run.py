"""The work of `morsel demo`: stock the generated shop where that is still to do, serve it, and say when it is ready."""

import asyncio
import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Awaitable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import httpx
import numpy as np
import typer

from app.access import service as access
from app.access.accounts import service as accounts
from app.commands.context import fail, settings
from app.commands.run.dashboard import chosen
from app.commands.run.serve import background, beside, listen
from app.commands.run.startup import bound, prepare
from app.core import clock, ids, redis, secret
from app.core.db import Database
from app.core.embedded import services
from app.core.embedded.process import CannotStart
from app.core.errors import Problem
from app.core.locks import alone
from app.core.logging import log
from app.core.settings import Settings
from app.data.online.publisher import Publisher
from app.data.people.rebuild import rebuild
from app.data.privacy import consent as people
from app.demo import cache, credentials, load, store
from app.demo import state as keeping
from app.demo.progress import say, step
from app.demo.shop.generator import Shop, Size, generate
from app.demo.state import Kept
from app.ml.popularity.service import refresh_popular
from app.ml.registry import service as registry
from app.ml.training.service import Options, train
from app.plugins import RECOMMENDERS
from app.wiring import public_url

TENANT = ids.DEFAULT_TENANT
SEED = 7
PLACEMENTS = ["email-hero", "email-grid", "pdp-similar", "cart-complement", "home-popular"]
_MODELS = ["personal", "item_to_item"]


def keep(port: int) -> None:
    """Stock and serve the shop until a signal comes; `port` below 0 leaves the choice to the environment."""
    _choose(port)
    found = settings()
    # a termination must unwind, or the servers started below would stay behind
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        access.check_exposure(found)
        secret.master(found)
        with alone(keeping.folder(found) / "running.lock") as mine:
            if not mine:
                fail(_another(found))
            _serve(found)
    except KeyboardInterrupt:
        say("stopped")
    except (access.Exposed, secret.WeakSecret, CannotStart, load.NotOurs, Problem) as error:
        fail(error)


def _serve(found: Settings) -> None:
    ready = found.data_dir.resolve() / "demo.json"
    ready.unlink(missing_ok=True)
    try:
        with bound(found) as listening:
            _run(found, listening)
    finally:
        ready.unlink(missing_ok=True)


def _another(found: Settings) -> str:
    kept = keeping.load(found)
    where = f" and is served at {kept.base_url}/demo" if kept and kept.base_url else ""
    return (
        f"a demo runs already from {found.data_dir.resolve()}{where}; "
        "a second one needs a folder and a port of its own: MORSEL_DATA_DIR=.morsel2 PORT=8001 make demo"
    )


def _choose(port: int) -> None:
    """Let the environment of this process, and of those it starts, say where to listen and how much to log."""
    chosen = str(port) if port >= 0 else os.environ.get("PORT", "")
    if chosen:
        os.environ["MORSEL_PORT"] = chosen
    os.environ.setdefault("MORSEL_LOG_LEVEL", "warning")


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _run(found: Settings, listening: socket.socket) -> None:
    scale, kept = _scale(), keeping.load(found)
    began = time.monotonic()
    kept = kept or Kept(SEED, scale, clock.now().isoformat())
    if not kept.stocked:
        kept.scale = scale
    elif kept.scale != scale:
        say(f"keeping the shop of scale {kept.scale:g} in {found.data_dir}; remove that folder for another one")
    base_url = public_url(found)
    cache.bring_back(found)
    with ThreadPoolExecutor(1) as pool:
        # the generator needs no server: it runs while PostgreSQL sets itself up
        shop = pool.submit(generated, kept) if not kept.stocked or kept.base_url != base_url else None
        with step("PostgreSQL and Valkey"):
            urls = services(found)
            where = urls.__enter__()
        try:
            preparation = prepare(found, where)
            if not preparation.done.wait(60):
                raise CannotStart("the database could not be prepared; the warnings above say why")
            found = found.model_copy(update={"database_url": where.database_url, "redis_url": where.redis_url})
            asyncio.run(_stocked(found, kept, shop, base_url))
            with chosen(found) as dashboard, background(preparation, *beside(True, dashboard)):
                threading.Thread(target=_announce, args=(found, kept, began, dashboard), daemon=True).start()
                listen(found, listening, "app.commands.run.demo:create_demo_app")
        finally:
            cache.bring_back(found)
            urls.__exit__(None, None, None)


def _scale() -> float:
    text = os.environ.get("MORSEL_DEMO_SCALE", "1")
    try:
        scale = float(text)
    except ValueError:
        scale = 0.0
    if not 0 < scale <= 4:
        fail(f"MORSEL_DEMO_SCALE must be a number above 0 and up to 4, not {text!r}")
    return scale


def generated(kept: Kept) -> Shop:
    """Generate the shop that is kept, the same each time."""
    return generate(np.random.default_rng(kept.seed), datetime.fromisoformat(kept.now), Size.scaled(kept.scale))


async def _stocked(found: Settings, kept: Kept, shop: "Future[Shop] | None", base_url: str) -> None:
    await stock(found, kept, asyncio.wrap_future(shop) if shop is not None else None, base_url)


async def stock(found: Settings, kept: Kept, coming: Awaitable[Shop] | None, base_url: str) -> None:
    """Do what is missing: every step can be interrupted and is done again, or not at all, at the next start."""
    db = Database(found.database_url, 5)
    try:
        ours = await store.has_events(db, TENANT)
        if not ours and (kept.stocked or not kept.items) and await store.has_items(db, TENANT):
            raise load.NotOurs("this database already holds a catalogue; the demo wants an empty one")
        if kept.stocked and not ours:
            kept.stocked, kept.credentials = False, {}
            coming = asyncio.create_task(asyncio.to_thread(generated, kept))
        if coming is not None:
            await _bring_in(db, found, kept, coming, base_url, events=not ours)
        if not kept.credentials:
            kept.credentials = await credentials.create(db, found, TENANT)
        if "dashboard_link" not in kept.credentials:
            kept.credentials["dashboard_link"] = await accounts.first_link(db, TENANT, "demo@localhost", "demo") or ""
        if kept.base_url != base_url or "website_key" not in kept.credentials:
            # a key is bound to an origin: the one of an earlier address would stay valid for nobody
            await credentials.renew_website(db, found, TENANT, base_url, kept.credentials)
        kept.base_url, kept.stocked = base_url, True
        keeping.save(found, kept)
    finally:
        await db.close()


async def _bring_in(db: Database, found: Settings, kept: Kept, coming: Awaitable[Shop], base_url: str, *, events: bool) -> None:
    with step("a fashion shop generated: catalogue, people with tastes, a year of events"):
        shop = await coming
    kept.items = load.show_items(shop)
    keeping.save(found, kept)
    with step(f"{shop.catalogue.items:,} items imported"):
        await load.put_catalogue(db, found, TENANT, shop, base_url)
    if kept.stocked:
        return
    kept.people, withdrawn = load.samples(shop)
    if events:
        with step(f"{len(shop.events):,} events of {len(shop.people.activity):,} people imported"):
            await load.put_events(db, found, TENANT, shop)
    await people.set_consent(db, found, TENANT, withdrawn, False)
    kept.people.append(keeping.Sample(withdrawn, shop.people.name(int(withdrawn[1:])), "withdrew consent to personal answers"))
    kept.people.append(keeping.Sample(load.STRANGER, "A stranger", "never seen before"))
    with step("models trained and promoted, states of all people computed"):
        await asyncio.gather(_rebuild(db, found), _train(db, found))


async def _rebuild(db: Database, found: Settings) -> None:
    nodes = redis.Nodes(found.redis_url, timeout_ms=10_000)
    try:
        await rebuild(db, found, Publisher(nodes, found.state_ttl_days), TENANT)
    finally:
        await nodes.aclose()


async def _train(db: Database, found: Settings) -> None:
    await refresh_popular(db, TENANT, default_consent=found.default_consent)
    if set(_MODELS) <= set(await registry.live(db, TENANT)):
        return
    await train(db, found, TENANT, _MODELS, RECOMMENDERS, Options(promote=True))


def _announce(found: Settings, kept: Kept, began: float, dashboard: str) -> None:
    """Wait until answers are personal, then write `demo.json` and say how to call."""
    host = "127.0.0.1" if found.host in ("0.0.0.0", "::", "") else found.host  # noqa: S104 - compared, not bound
    with step("serving"), httpx.Client(base_url=f"http://{f'[{host}]' if ':' in host else host}:{found.port}", timeout=5) as http:
        while not (token := _ready(http, kept)):
            time.sleep(0.05)
        _await_dashboard(found)
    keys = {name: kept.credentials[name] for name in ("client_id", "client_secret", "api_key", "write_key", "website_key")}
    users = [one.user_id for one in kept.people[:-2]]
    document = {"base_url": kept.base_url, **keys, "admin_token": token, "placements": PLACEMENTS, "users": users, "items": kept.items}
    if dashboard:
        document["dashboard_url"] = dashboard
        document["dashboard_login"] = f"{dashboard}/enter?link={kept.credentials['dashboard_link']}"
    path = found.data_dir.resolve() / "demo.json"
    keeping.write_private(path, document)
    _greet(document, path, time.monotonic() - began)


def _await_dashboard(found: Settings) -> None:
    """Wait for the dashboard, but not for long: the demo is worth showing without it."""
    port, end = os.environ.get("MORSEL_DASHBOARD_PORT"), time.monotonic() + 15
    while found.dashboard and time.monotonic() < end:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"http://127.0.0.1:{port}/livez", timeout=2).status_code == 200:
                return
        time.sleep(0.1)


def _ready(http: httpx.Client, kept: Kept) -> str:
    """Return an administrator's token when the server answers personally from a whole online state; else ''."""
    try:
        if http.get("/readyz").status_code != 200:
            return ""
        login = (kept.credentials["admin_id"], kept.credentials["admin_secret"])
        granted = http.post("/oauth/token", auth=login, data={"grant_type": "client_credentials"})
        if granted.status_code != 200:
            return ""
        token = str(granted.json()["access_token"])
        asked = {"placement": "email-grid", "user_id": kept.people[0].user_id, "explain": "1"}
        answer = http.get("/v1/recommendations", params=asked, headers={"Authorization": f"Bearer {token}"}).json()
        personal = answer.get("source") in ("live", "cached") and answer.get("explain", {}).get("redis_trusted")
        return token if personal else ""
    except (httpx.HTTPError, ValueError, KeyError) as error:
        log.debug("demo.not_ready", error=type(error).__name__)
        return ""


def _greet(document: dict[str, Any], path: Path, seconds: float) -> None:
    base, user = document["base_url"], document["users"][0]
    typer.echo(
        f"\nMorsel is serving a generated fashion shop ({seconds:.0f} s).\n\n"
        f"  Look     {base}/demo\n"
        + (f"  Steer    {document['dashboard_login']}\n" if "dashboard_login" in document else "")
        + f"  API      {base}/docs\n\n"
        f"  client_id      {document['client_id']}\n"
        f"  client_secret  {document['client_secret']}\n"
        f"  api key        {document['api_key']}\n"
        f"  write key      {document['write_key']}\n"
        f"  website key    {document['website_key']}\n"
        f"  admin token    in {path}, with all of these\n\n"
        f"  curl -H 'X-Api-Key: {document['api_key']}' '{base}/v1/recommendations?placement=email-grid&user_id={user}'\n\n"
        "Ctrl-C stops everything; the next start takes seconds."
    )
