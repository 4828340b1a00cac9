"""A server over 100,000 items: how fast it is ready, and what it holds in memory, also while its catalogue is replaced."""

import asyncio
import shutil
import threading
import time
from pathlib import Path

from app.core.db import Database
from app.core.ids import DEFAULT_TENANT
from app.data.catalogue.service import put_items
from benchmarks.serving import setup
from benchmarks.serving.figures import middle, tell
from benchmarks.serving.paths import Served
from benchmarks.serving.processes import Running, forget_peak, memory_mb, morsel
from benchmarks.serving.setup import Shop

STARTS = 3
READY_S = 4.0
RSS_MB = 450.0
_LIVE = "/v1/recommendations?placement=live&user_id=p"
_HTML = "/v1/snippets/live?user_id=p"


def starts(shop: Shop, times: int = STARTS) -> None:
    """Tell the seconds from `morsel serve` to the first answer, from the local snapshot and from PostgreSQL."""
    snapshot = shop.settings.data_dir / "snapshot"
    with morsel(shop.variables()):
        _await_snapshot(snapshot)
    local, fresh, used = [], [], []
    for _ in range(times):
        with morsel(shop.variables()) as server:
            local.append(server.ready_s)
            used.append(server.cpu())
    for _ in range(times):
        shutil.rmtree(snapshot)
        with morsel(shop.variables()) as server:
            fresh.append(server.ready_s)
            _await_snapshot(snapshot)
    tell(f"ready_from_snapshot_{shop.items}_items", middle(local), "s", most=READY_S)
    tell(f"ready_from_snapshot_{shop.items}_items_cpu_of_the_server_process", middle(used), "s")
    tell(f"ready_from_postgresql_{shop.items}_items", middle(fresh), "s")


def memory(shop: Shop, work: Path) -> None:
    """Tell the resident memory of a server process: ready, after it answered everybody in JSON and HTML, and during a swap under load."""
    with morsel(shop.variables()) as server:
        served = Served(shop, server)
        (pid,) = server.pids
        tell(f"rss_ready_{shop.items}_items", memory_mb(pid), "MB", most=RSS_MB)
        for path in (_LIVE, _HTML):
            served.warm(path, work)
        tell(f"rss_after_load_{shop.items}_items", memory_mb(pid), "MB", most=RSS_MB)
        forget_peak(pid)
        took, longest = _swap(served, server)
        tell(f"rss_peak_during_swap_{shop.items}_items", memory_mb(pid, "VmHWM"), "MB", most=RSS_MB)
        time.sleep(2)  # the old catalogue goes with its last call, and the new one's documents move to the snapshot's file
        tell(f"rss_after_swap_{shop.items}_items", memory_mb(pid), "MB", most=RSS_MB)
        tell(f"swap_{shop.items}_items", took, "s")
        tell(f"slowest_answer_during_swap_{shop.items}_items", longest, "ms")


def _swap(served: Served, server: Running) -> tuple[float, float]:
    """Add an item, which needs a new base; return the seconds until it can be asked for, and the longest answer meanwhile in ms."""
    name = f"new-{time.time_ns()}"
    longest = 0.0
    done = threading.Event()

    def ask() -> None:
        nonlocal longest
        person = 0
        while not done.is_set():
            began = time.perf_counter()
            served.ask(f"{_LIVE}{person % served.shop.people}")
            longest = max(longest, 1000 * (time.perf_counter() - began))
            person += 1

    asker = threading.Thread(target=ask)
    asker.start()
    began = time.monotonic()
    try:
        asyncio.run(_put(served.shop, name))
        while not _known(served, name):
            if time.monotonic() - began > 120:
                raise RuntimeError("the new item never came")
            time.sleep(0.1)
    finally:
        done.set()
        asker.join()
    return time.monotonic() - began, longest


def _known(served: Served, name: str) -> bool:
    """Tell whether an item can be shown: it is the only one of its category."""
    answer = served.ask(f"/v1/recommendations?placement=home-popular&category={name}&limit=1")
    return f'"item_id":"{name}"'.encode() in answer


async def _put(shop: Shop, name: str) -> None:
    db = Database(shop.urls.database_url)
    try:
        await put_items(db, shop.settings, DEFAULT_TENANT, [{**setup.item(0), "id": name, "category": name}])
    finally:
        await db.close()


def _await_snapshot(folder: Path, seconds: float = 60) -> None:
    """Wait until a server has written its snapshot."""
    end = time.monotonic() + seconds
    while not list(folder.glob("[0-9]*/current.json")):
        if time.monotonic() > end:
            raise RuntimeError("no snapshot was written")
        time.sleep(0.1)
    time.sleep(0.5)
