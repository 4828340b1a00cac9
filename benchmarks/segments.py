"""`make bench-segments`: how long an estimate of a segment's size takes over HTTP, for shops of 20,000 and of 300,000 people.

The people have 20 events each over 500 days, with items, categories and orders; `morsel rebuild` packs their facts. 20 conditions are asked
in turn, one after the other, as a builder does in which somebody types. Beside it another caller asks for `/livez` all the time: how long
it waits at most is how long an estimate keeps the process from answering others.
"""

import argparse
import asyncio
import math
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.access import service as access
from app.access.domain import ClientKind, KeyKind, Scope
from app.access.schemas import NewClient, NewKey
from app.commands.run.startup import add_defaults
from app.core import logging, migrations
from app.core.db import Database
from app.core.embedded import services
from app.core.ids import DEFAULT_TENANT
from app.core.settings import Settings
from benchmarks.driving import Shop
from benchmarks.serving import figures
from benchmarks.serving.figures import tell

MOST_MS, MOST_PAUSE_MS = 1_000.0, 50.0
CONDITIONS = (
    "views > 0",
    "orders >= 2",
    "orders.90d >= 1 and views.7d > 0",
    "days_since.view > 30",
    "spent > 100 and days_since.order > 60",
    'views.category["Women > Tops"].90d > 1',
    'purchases.category["Men"].365d >= 1 or purchases.category["Home"].365d >= 1',
    'affinity.brand["Brand 7"] > 10%',
    'affinity.category["Women"] > 40% and not (orders.30d >= 1)',
    'lifecycle = "lead"',
    "rfm.monetary >= 4 and rfm.recency <= 2",
    "engagement > 50",
    "spent > average_order * 3",
    "spent / max(orders, 1) > 50 and views.30d >= 1",
    "cart_adds.30d > 0 and not (purchases.30d > 0)",
    'country = "GB" and views.30d > 1',
    "not (known(trait.city)) and orders >= 1",
    'trait.city in ("Paris", "Lyon") or views.365d > 10',
    "(views.7d > 0 or clicks.7d > 0 or cart_adds.7d > 0) and (orders.365d < 3 or spent < 50) and days_since.view < 7",
    "consent.email and orders >= 1",
)
_FILL = (
    "insert into item_group (tenant, group_id) select 1, 'g' || n from generate_series(1, :items) n",
    "insert into item (tenant, group_no, item_id, title, category, brand, price, currency, document) "
    "select 1, g.group_no, 'i' || g.group_no, 'Item ' || g.group_no, "
    "(array['Women','Men','Home'])[1 + g.group_no % 3] || ' > ' || (array['Tops','Shoes','Bags','Coats'])[1 + g.group_no % 4], "
    "'Brand ' || g.group_no % 400, 5 + g.group_no % 200, 'EUR', jsonb_build_object('item_id', 'i' || g.group_no) from item_group g",
    "create temporary table someone on commit preserve rows as "
    "select n, ('x' || substr(md5(n::text), 1, 16))::bit(64)::bigint & 4611686018427387903 as person_no from generate_series(1, :people) n",
    "insert into person (tenant, person_no, root_no, data_key, country) select 1, person_no, person_no, '\\x00', 'GB' from someone",
    "insert into person_identity (tenant, key, kind, value, person_no, is_primary) "
    "select 1, substr(sha256(('u' || n)::bytea), 1, 12), 1, 'u' || n, person_no, true from someone",
    "insert into event (tenant, occurred_at, message_id, person_no, kind, item_no, group_no, order_key, quantity, value) "
    "select 1, now() - random() * interval '500 days', substr(sha256((s.n || '-' || e)::bytea), 1, 16), s.person_no, "
    "case when e % 5 = 0 then 7 when e % 5 = 1 then 5 else 3 end, i, i, case when e % 5 = 0 then s.n * 100 + e end, 1, "
    "case when e % 5 = 0 then 5 + i % 200 end from generate_series(1, :events) e cross join someone s "
    "cross join lateral (select 1 + floor(:items * random() ^ 2 + 0 * s.n)::int as i) r",
    "analyze",
)


async def fill(url: str, people: int) -> str:
    """Make the shop up and return a key that may read what its administrators read."""
    from sqlalchemy import text

    db = Database(url, 1)
    try:
        values = {"items": 10_000, "people": people, "events": 20}
        async with db.begin() as connection:
            for statement in _FILL:
                await connection.execute(text(statement), {name: value for name, value in values.items() if f":{name}" in statement})
        wanted = NewClient(name="bench", kind=ClientKind.SERVICE, scopes=[Scope.ADMIN_READ])
        client = await access.create_client(db, Settings(), DEFAULT_TENANT, wanted)
        return (await access.create_key(db, DEFAULT_TENANT, client.client_id, NewKey(kind=KeyKind.API))).key
    finally:
        await db.close()


class Other:
    """Somebody else who asks the same server all the time; `waits` are the milliseconds each call took."""

    def __init__(self, url: str) -> None:
        self.waits: list[float] = []
        self._url, self._ending = url, threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def _ask(self) -> None:
        with httpx.Client(base_url=self._url, timeout=60) as http:
            while not self._ending.wait(0.02):
                began = time.perf_counter()
                http.get("/livez").raise_for_status()
                self.waits.append((time.perf_counter() - began) * 1000)

    def __enter__(self) -> "Other":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()


def part(values: list[float], share: float) -> float:
    """Return what this share of some values does not exceed (nearest rank)."""
    return sorted(values)[math.ceil(share * len(values)) - 1]


def measure(url: str, key: str, people: int, rounds: int) -> None:
    """Ask for the size of each condition in turn, and tell how long that took and how long others waited."""
    took: list[float] = []
    with httpx.Client(base_url=url, headers={"X-Api-Key": key}, timeout=60) as http:
        first = _asked(http, CONDITIONS[0])
        with Other(url) as before:
            time.sleep(5)
        with Other(url) as other:
            for _ in range(rounds):
                took += [_asked(http, one) for one in CONDITIONS]
        found = http.post("/v1/admin/segments/estimate", json={"when": "views >= 0"}).json()
    tell(f"estimate_of_{people}_sampled", found["sampled"], "people")
    tell(f"estimate_of_{people}_first", first, "ms")
    tell(f"estimate_of_{people}_median", part(took, 0.5), "ms")
    tell(f"estimate_of_{people}_p95", part(took, 0.95), "ms", most=MOST_MS)
    for name, share in (("p99", 0.99), ("most", 1.0)):
        tell(f"estimate_of_{people}_others_wait_{name}", part(other.waits, share), "ms", baseline=part(before.waits, share))


def _asked(http: httpx.Client, when: str) -> float:
    began = time.perf_counter()
    answer = http.post("/v1/admin/segments/estimate", json={"when": when})
    if answer.status_code != 200:
        sys.exit(f"{when}: {answer.text}")
    return (time.perf_counter() - began) * 1000


def main() -> int:
    """Make shops up, pack facts, measure; the status is 1 when a target was missed."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--people", default="20000,300000", help="Sizes of shops, with commas between.")
    arguments.add_argument("--rounds", type=int, default=5)
    given = arguments.parse_args()
    logging.configure("error", "console")
    for people in map(int, given.people.split(",")):
        with tempfile.TemporaryDirectory(prefix="morsel-bench-") as temporary:
            _one(Path(temporary), people, given.rounds)
    return 1 if figures.missed else 0


def _one(folder: Path, people: int, rounds: int) -> None:
    with services(Settings(data_dir=folder / "data", log_level="error")) as urls:
        migrations.upgrade(urls.database_url)
        asyncio.run(add_defaults(urls.database_url))
        key = asyncio.run(fill(urls.database_url, people))
        shop = Shop(folder, {"DATABASE_URL": urls.database_url, "REDIS_URL": urls.redis_url, "DASHBOARD": "false"})
        shop.run("rebuild")
        with shop.serve(1) as address:
            measure(f"http://{address}", key, people, rounds)


if __name__ == "__main__":
    sys.exit(main())
