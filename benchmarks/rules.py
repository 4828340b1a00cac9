"""`make bench-rules`: what rules add to an answer from a cached list, beside the same answer without rules, in interleaved rounds.

CPU microseconds of the server process a request (user + system, from /proc) are compared, since wall time on shared cores is noise.
Wanted: 20 rules that read no person cost at most 5 % more; with rules, formula and diversity that read facts at most 20 us more.

What rules chose from a list is remembered, so each person is asked again and again, and, told apart as `first`, once by a server that
has forgotten.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.core import logging
from app.core.db import Database
from app.core.ids import DEFAULT_TENANT
from app.decisions.placements import service as placements
from app.decisions.placements.domain import Filter, Placement
from app.documents import store
from benchmarks.serving import figures, setup, wrk
from benchmarks.serving.figures import middle, spread, tell
from benchmarks.serving.paths import Served
from benchmarks.serving.processes import morsel

MODELS = ("als", "personal", "item_to_item")
PLAIN, STILL, PERSONAL = "bench-plain", "bench-still", "bench-personal"
MOST_SHARE, MOST_US = 1.05, 20.0
CONTEXT = "&ctx.weather=hot"
# a server has read what was published, and has nothing left to do for it
SETTLED_S = 3.0


def still() -> dict[str, dict[str, Any]]:
    """Return 20 rules that read no person, as a shop has them."""
    rules: dict[str, dict[str, Any]] = {
        f"exclude-{number}": {"action": "exclude", "where": f'item.brand = "Brand {number}" and item.price > 60'} for number in range(12)
    }
    rules |= {f"boost-{number}": {"action": "boost", "factor": 1.1, "where": f'item.brand = "Brand {20 + number}"'} for number in range(3)}
    rules |= {f"bury-{number}": {"action": "bury", "factor": 0.8, "where": f'item.category = "Category {number}"'} for number in range(2)}
    return rules | {
        "pin": {"action": "pin", "items": ["sku-000100"], "place": 3},
        "cap": {"action": "cap", "most": 3, "by": "brand"},
        "share": {"action": "share", "at_most": 0.5, "where": "item.price < 20"},
    }


def personal() -> dict[str, dict[str, Any]]:
    """Return rules, a formula and diversity that read facts of the person and the request."""
    return {
        "often": {"action": "boost", "factor": 1.2, "where": "item.price > 50", "when": "purchases.365d >= 2"},
        "away": {"action": "exclude", "where": 'item.brand = "Brand 7"', "when": "views.30d < 100"},
        "score": {"action": "formula", "formula": 'score * (1 + 0.01 * item.price) + (ctx.weather == "hot" ? 0.5 : 0)'},
        "mixed": {"action": "diversity", "by": "brand", "relevance": 0.7},
    }


async def publish(shop: setup.Shop) -> None:
    """Publish three placements that share their lists, and the rules of two of them."""
    db = Database(shop.urls.database_url)
    try:
        for name in (PLAIN, STILL, PERSONAL):
            await placements.publish(db, DEFAULT_TENANT, name, Placement(count=6, filter=Filter(exclude_bought=True)))
        for placement, rules in ((STILL, still()), (PERSONAL, personal())):
            for name, body in rules.items():
                await store.add(db, "rule", DEFAULT_TENANT, f"{placement}-{name}", {**body, "placements": [placement]}, who="bench")
    finally:
        await db.close()


async def forget(shop: setup.Shop, number: int) -> None:
    """Publish a rule that concerns no placement: the server has a new picture, under which it remembers nothing."""
    db = Database(shop.urls.database_url)
    try:
        body = {"action": "exclude", "items": [f"none-{number}"], "placements": ["bench-nowhere"]}
        await store.add(db, "rule", DEFAULT_TENANT, "bench-nowhere", body, who="bench")
    finally:
        await db.close()
    await asyncio.sleep(SETTLED_S)


def main() -> int:
    """Measure; the status is 1 when a target was missed."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--seconds", type=int, default=3, help="Length of one round of one placement.")
    arguments.add_argument("--connections", type=int, default=32)
    arguments.add_argument("--items", type=int, default=10_000)
    arguments.add_argument("--people", type=int, default=10_000)
    arguments.add_argument("--keep", type=Path, default=None, help="Folder to build the shop in and to find it again.")
    given = arguments.parse_args()
    logging.configure("error", "console")
    if not wrk.available():
        sys.exit("wrk is missing: run `make system-deps`")
    with tempfile.TemporaryDirectory(prefix="morsel-bench-") as temporary:
        work = Path(temporary)
        base = given.keep or work
        base.mkdir(parents=True, exist_ok=True)
        with setup.shop(base / f"shop-{given.items}", given.items, given.people, MODELS) as shop:
            asyncio.run(publish(shop))
            with morsel(shop.variables()) as server:
                measure(Served(shop, server), given, work)
    return 1 if figures.missed else 0


def measure(served: Served, given: argparse.Namespace, work: Path) -> None:
    """Ask all placements in turn, and tell what rules add."""
    targets, first = {}, {}
    for name in (PLAIN, STILL, PERSONAL):
        path, tail = f"/v1/recommendations?placement={name}&user_id=p", CONTEXT if name == PERSONAL else ""
        targets[name] = served.target(name, path, tail=tail)
        first[name] = served.target(f"{name}-first", path, tail=tail, once=True)
        served.warm(path, work)
    for number in range(given.rounds):
        for target in targets.values():
            wrk.measure(target, given.connections, given.seconds, work)
        asyncio.run(forget(served.shop, number))
        for target in first.values():
            wrk.measure(target, given.connections, given.seconds, work)
    plain = middle([one.cpu_us for one in targets[PLAIN].samples[given.connections]])
    wanted = {STILL: plain * MOST_SHARE, PERSONAL: plain + MOST_US}
    for target in (*targets.values(), *first.values()):
        cpu = [one.cpu_us for one in target.samples[given.connections]]
        tell(
            f"{target.name}_cpu", middle(cpu), "us/request", baseline=None if target.name == PLAIN else plain, most=wanted.get(target.name)
        )
        tell(f"{target.name}_cpu_spread", spread(cpu), "us/request")
        tell(f"{target.name}_bad", sum(one.bad for one in target.samples[given.connections]), "answers", most=0)
    sizes = [size for key in served.cache.scan_iter("m:*:f", count=5000) if (size := served.cache.strlen(key))]
    if sizes:
        tell("facts_of_a_person", middle(sizes), "bytes", most=600)


if __name__ == "__main__":
    sys.exit(main())
