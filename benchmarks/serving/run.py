"""`make bench-serving`: what an answer costs, beside a bare server and two others, in one interleaved run; and what Morsel needs at scale.

CPU microseconds of the server process a request (user + system, from /proc) are compared, since wall time on shared cores is noise.
"""

import argparse
import contextlib
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from app.core import logging
from benchmarks.serving import figures, large, paths, people, scoring, setup, wrk

PARTS = ("paced", "scoring", "starts", "memory", "redis")
MODELS = ("als", "personal", "item_to_item")
LARGE_MODELS = ("als",)


def main() -> int:
    """Measure what was chosen; the status is 1 when a target was missed."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--seconds", type=int, default=3, help="Length of one round of one path.")
    arguments.add_argument("--connections", default="32,128,1000")
    arguments.add_argument("--items", type=int, default=10_000)
    arguments.add_argument("--many", type=int, default=100_000, help="Items of the large shop.")
    arguments.add_argument("--people", type=int, default=10_000)
    arguments.add_argument("--online", type=int, default=100_000, help="People whose states and lists are weighed in Redis.")
    arguments.add_argument("--only", default="", help=f"Some of: {', '.join((*paths.ALL, *PARTS))}.")
    arguments.add_argument("--keep", type=Path, default=None, help="Folder to build the shops in and to find them again.")
    given = arguments.parse_args()
    known = (*paths.ALL, *PARTS)
    chosen = [name for name in given.only.split(",") if name] or list(known)
    if unknown := set(chosen) - set(known):
        arguments.error(f"unknown: {', '.join(sorted(unknown))}")
    logging.configure("error", "console")
    if not wrk.available():
        sys.exit("wrk is missing: run `make system-deps`")
    with tempfile.TemporaryDirectory(prefix="morsel-bench-") as temporary:
        measure(given, chosen, Path(temporary))
    return 1 if figures.missed else 0


def measure(given: argparse.Namespace, chosen: list[str], work: Path) -> None:
    """Build the shops that the choice needs, and measure over them."""
    base = given.keep or work
    base.mkdir(parents=True, exist_ok=True)
    how = paths.Given(given.rounds, given.seconds, [int(one) for one in given.connections.split(",")], work)
    with contextlib.ExitStack() as stack:
        bench = paths.Bench(stack, how, chosen)
        if set(chosen) & set(paths.SMALL):
            bench.add_small(stack.enter_context(setup.shop(base / f"shop-{given.items}", given.items, given.people, MODELS)))
        if set(chosen) & set(paths.LARGE):
            bench.add_large(stack.enter_context(setup.shop(base / f"shop-{given.many}", given.many, given.people, LARGE_MODELS)))
        if bench.targets:
            if how.rounds:
                bench.rounds()
                bench.report()
            if "paced" in chosen:
                bench.paced()
    if {"scoring", "starts", "memory"} & set(chosen):
        with setup.shop(base / f"shop-{given.many}", given.many, given.people, LARGE_MODELS) as shop:
            if "scoring" in chosen:
                scoring.measure(shop, given.rounds, given.seconds, work)
            if "starts" in chosen:
                large.starts(shop)
            if "memory" in chosen:
                large.memory(shop, work)
    if "redis" in chosen:
        people.measure(given.online)


if __name__ == "__main__":
    sys.exit(main())
