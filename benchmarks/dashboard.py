"""`make bench-dashboard`: server time of each page of the dashboard over a large made-up shop, built once and kept.

A line of JSON a page: the 95th percentile of 20 calls in milliseconds, one after the other, against 150; last, the size of a first load.
100,000 items, a million people and 20 million events need some 12 GB of disk and ten minutes to be made up; `--scale 0.01` is a hundredth.
"""

import argparse
import asyncio
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.access.accounts import service as accounts
from app.commands.context import free_port
from app.commands.run.startup import add_defaults
from app.core import logging, migrations
from app.core.db import Database
from app.core.embedded import services
from app.core.ids import DEFAULT_TENANT
from app.core.settings import Settings
from app.dashboard import nav
from app.operations.rollups import roll_up
from benchmarks.serving import figures
from benchmarks.serving.figures import tell

TARGET_MS, FIRST_LOAD_KB = 150.0, 150.0
CALLS = 20
_FILL = (
    "insert into item_group (tenant, group_id) select 1, 'g' || n from generate_series(1, :items) n",
    "insert into item (tenant, group_no, item_id, title, category, brand, price, currency, document) "
    "select 1, g.group_no, 'i' || g.group_no, (array['Merino','Linen','Leather','Denim','Silk'])[1 + g.group_no % 5] || ' ' || "
    "(array['jumper','coat','boots','bag','scarf','dress'])[1 + g.group_no % 6] || ' ' || g.group_no, "
    "(array['Women','Men','Home'])[1 + g.group_no % 3] || ' > ' || (array['Tops','Shoes','Bags','Coats'])[1 + g.group_no % 4], "
    "'Brand ' || g.group_no % 400, 5 + g.group_no % 200, 'EUR', "
    "jsonb_build_object('item_id', 'i' || g.group_no, 'title', 'Item ' || g.group_no, 'price', 5 + g.group_no % 200, 'currency', 'EUR') "
    "from item_group g where g.tenant = 1",
    "create temporary table someone on commit preserve rows as "
    "select n, ('x' || substr(md5(n::text), 1, 16))::bit(64)::bigint & 4611686018427387903 as person_no from generate_series(1, :people) n",
    "insert into person (tenant, person_no, root_no, data_key, country) select 1, person_no, person_no, '\\x00', 'GB' from someone",
    "insert into person_identity (tenant, key, kind, value, person_no, is_primary) "
    "select 1, substr(sha256(('u' || n)::bytea), 1, 12), 1, 'u' || n, person_no, true from someone",
    "insert into event_source (tenant, name) values (1, 'http')",
    "insert into event (tenant, received_at, occurred_at, message_id, person_no, kind, item_no, group_no, source_no, quantity) "
    "select 1, m, m, substr(sha256((s.n || '-' || e)::bytea), 1, 16), s.person_no, "
    "case when e % 5 = 0 then 7 when e % 5 = 1 then 5 else 3 end, i, i, 1, 1 from generate_series(1, :events) e cross join someone s "
    "cross join lateral (select now() - random() * interval '28 days' - s.n % 7 * interval '1 s' as m, "
    "1 + floor(:items * random() ^ 2)::int as i) r",
    "insert into serve (tenant, served_at, recommendation_id, placement_no, client_no, person_no, rung, reason, items, prices, latency_us) "
    "select 1, now() - random() * interval '28 days', substr(sha256((s.n || 'a' || e)::bytea), 1, 16), 1 + (s.n % 5)::int, 1, s.person_no, "
    "(array[0, 1, 1, 1, 4])[1 + s.n % 5], (array[0, 0, 0, 0, 2])[1 + s.n % 5], array[1, 2, 3, 4, 5, 6], array[1, 2, 3, 4, 5, 6]::real[], "
    "200 + floor(random() * 9000)::int from generate_series(1, :serves) e cross join someone s",
    "analyze",
)


async def fill(url: str, scale: float) -> None:
    """Make the shop up, unless it is there."""
    from sqlalchemy import text

    db = Database(url)
    if not (await db.rows("select 1 from item limit 1")):
        values = {"items": int(100_000 * scale), "people": int(1_000_000 * scale), "events": 20, "serves": 3}
        async with db.begin() as connection:
            for statement in _FILL:
                await connection.execute(text(statement), {name: value for name, value in values.items() if f":{name}" in statement})
    while await roll_up(db, DEFAULT_TENANT):
        pass
    await db.close()


async def _link(url: str) -> str:
    db = Database(url, 1)
    try:
        return await accounts.first_link(db, DEFAULT_TENANT, "demo@localhost", "demo") or ""
    finally:
        await db.close()


def pages() -> list[str]:
    """Return the addresses that are measured."""
    below = [
        "/placements/email-grid", "/templates/grid", "/catalogue?q=merino", "/catalogue?q=m", "/catalogue/items/i17", "/people?q=u17",
        "/events?kind=view", "/events?item=i17", "/events/refused", "/catalogue/imports",
        "/segments/new?name=some", "/clusters", "/facts/views", "/?span=month",
    ]  # fmt: skip
    return [entry.path for entry in nav.MENU] + below


def measure(http: httpx.Client, path: str) -> None:
    """Ask for a page again and again; a page that fails says so."""
    took = []
    for _ in range(CALLS):
        began = time.perf_counter()
        answer = http.get(path)
        took.append((time.perf_counter() - began) * 1000)
        if answer.status_code != 200:
            tell(f"page {path} failed", answer.status_code, "status", most=200)
            return
    tell(f"page {path}", sorted(took)[int(0.95 * (CALLS - 1))], "ms p95", baseline=TARGET_MS, most=TARGET_MS)


def first_load(http: httpx.Client) -> int:
    """Return the bytes that a browser gets that opens the home page and has nothing of it yet."""
    left, seen, size = ["/"], set(), 0
    while left:
        path = left.pop()
        if path in seen:
            continue
        seen.add(path)
        with http.stream("GET", path) as answer:
            answer.read()
            size += answer.num_bytes_downloaded
        left += re.findall(r'(?:href|src)="(/static/[^"]+)"', answer.text) if path == "/" else []
        left += [f"/static/{name}" for name in re.findall(r'from "\./([^"]+)"', answer.text)]
    return size


def main() -> int:
    """Make the shop up, serve it, ask for each page; the status is 1 when a target was missed."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--scale", type=float, default=1.0)
    arguments.add_argument("--folder", default=".morsel/bench-dashboard")
    asked = arguments.parse_args()
    logging.configure("warning", "console")
    folder = Path(f"{asked.folder}-{asked.scale:g}").resolve()
    port, board = free_port(), free_port()
    with services(Settings(data_dir=folder)) as urls:
        migrations.upgrade(urls.database_url)
        asyncio.run(add_defaults(urls.database_url))
        began = time.monotonic()
        asyncio.run(fill(urls.database_url, asked.scale))
        tell("made up", time.monotonic() - began, "s")
        environment = {
            **os.environ, "MORSEL_DATA_DIR": str(folder), "MORSEL_PORT": str(port), "MORSEL_DASHBOARD_PORT": str(board),
            "MORSEL_LOG_LEVEL": "warning",
            "MORSEL_DATABASE_URL": urls.database_url, "MORSEL_REDIS_URL": urls.redis_url, "MORSEL_DASHBOARD": "true",
        }  # fmt: skip
        # without a worker: it would compute a million states beside, which is another benchmark
        server = subprocess.Popen([sys.executable, "-m", "app.cli", "serve", "--no-worker"], env=environment)
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{board}", timeout=120, follow_redirects=True) as http:
                _await(http, f"http://127.0.0.1:{port}")
                http.get("/enter", params={"link": asyncio.run(_link(urls.database_url))})
                for path in pages():
                    http.get(path)
                    measure(http, path)
                tell("first load", first_load(http) / 1000, "KB", most=FIRST_LOAD_KB)
        finally:
            server.terminate()
            server.wait(30)
    return 1 if figures.missed else 0


def _await(http: httpx.Client, api: str) -> None:
    end = time.monotonic() + 300
    while time.monotonic() < end:
        try:
            if http.get("/livez").status_code == 200 and httpx.get(f"{api}/readyz").status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.5)
    raise SystemExit("the server did not become ready")


if __name__ == "__main__":
    sys.exit(main())
