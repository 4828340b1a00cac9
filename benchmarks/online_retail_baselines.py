"""Simple baselines on Online Retail, computed from the published files alone: no code of the product is used here.

    python benchmarks/online_retail_baselines.py FOLDER

FOLDER holds `online_retail_II_2009-12_2010-12.csv.gz` and `online_retail_2010-12_2011-08.csv.gz`. Protocol: rows with a
customer, no cancellations, quantity and price above 0, stock codes that begin with five digits; what was bought before
2011-07-01 is known, the target is the distinct items bought in July and August 2011 among customers and items known
before. Second task: only items new to the customer, with known ones left out of the list.
"""

import csv
import gzip
import math
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np

FIRST_FILE = "online_retail_II_2009-12_2010-12.csv.gz"
SECOND_FILE = "online_retail_2010-12_2011-08.csv.gz"
OVERLAP_FROM = datetime(2010, 12, 1)
CUT = datetime(2011, 7, 1)
END = datetime(2011, 9, 1)
_PRODUCT = re.compile(r"[0-9]{5}")


@dataclass(frozen=True)
class Line:
    """A line of an invoice."""

    customer: str
    item: str
    order: str
    at: datetime


@dataclass
class Task:
    """What is known at the cut, and what must be found.

    `known[customer][item]` lists the moments of purchase; `targets` and `new_targets` hold items by customer.
    """

    cut: datetime
    known: dict[str, dict[str, list[datetime]]] = field(default_factory=dict)
    targets: dict[str, set[str]] = field(default_factory=dict)
    new_targets: dict[str, set[str]] = field(default_factory=dict)
    items: set[str] = field(default_factory=set)


Lists = dict[str, list[str]]
Baseline = Callable[[Task, Sequence[str], bool, int], Lists]


def read(folder: Path) -> Iterator[Line]:
    """Yield the lines that the protocol keeps; rows that are in both files are taken from the second."""
    for name in (FIRST_FILE, SECOND_FILE):
        with gzip.open(folder / name, "rt", encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            next(rows)
            for order, item, _, quantity, moment, price, customer, _ in rows:
                at, item = datetime.fromisoformat(moment), item.strip()
                overlap = name == FIRST_FILE and at >= OVERLAP_FROM
                if overlap or not order.isdigit() or not customer or not _PRODUCT.match(item):
                    continue
                if float(quantity) > 0 and float(price) > 0:
                    yield Line(str(int(float(customer))), item, order, at)


def task(lines: Sequence[Line], cut: datetime = CUT, end: datetime = END) -> Task:
    """Split at the cut."""
    made = Task(cut)
    for line in lines:
        if line.at < cut:
            made.known.setdefault(line.customer, {}).setdefault(line.item, []).append(line.at)
            made.items.add(line.item)
    for line in lines:
        if cut <= line.at < end and line.customer in made.known and line.item in made.items:
            made.targets.setdefault(line.customer, set()).add(line.item)
    for customer, wanted in made.targets.items():
        if new := wanted - made.known[customer].keys():
            made.new_targets[customer] = new
    return made


def popularity(known: Task, days: float) -> Counter[str]:
    """Count the lines of each item in the last days before the cut."""
    return Counter(
        item for items in known.known.values() for item, moments in items.items() for moment in moments if _age(known, moment) <= days
    )


def popular(known: Task, customers: Sequence[str], new_only: bool, k: int) -> Lists:
    """Recommend what sold most lines in the last two months."""
    ranked = [item for item, _ in popularity(known, 61).most_common()]
    ranked += sorted(known.items - set(ranked))
    return {customer: _first(ranked, known.known[customer] if new_only else {}, k) for customer in customers}


def own_by_count_and_recency(known: Task, customers: Sequence[str], new_only: bool, k: int) -> Lists:
    """Recommend own items by number of purchase days, the latest first among equals."""
    lists = {}
    for customer in customers:
        own = {} if new_only else known.known[customer]
        lists[customer] = sorted(own, key=lambda item: (-len({one.date() for one in own[item]}), -max(own[item]).timestamp()))[:k]
    return lists


def buy_again(known: Task, customers: Sequence[str], new_only: bool, k: int) -> Lists:
    """Recommend own items by purchase days, halved every 180 days since the last, times the root of recent popularity."""
    recent = popularity(known, 30)

    def score(item: str, moments: Sequence[datetime]) -> float:
        days = len({moment.date() for moment in moments})
        return days * math.exp2(-_age(known, max(moments)) / 180) * math.sqrt(recent[item])

    lists = {}
    for customer in customers:
        own = {} if new_only else known.known[customer]
        lists[customer] = sorted(own, key=lambda item: (-score(item, own[item]), item))[:k]
    return lists


def item_to_item(known: Task, customers: Sequence[str], new_only: bool, k: int) -> Lists:
    """Recommend by cosine similarity of items over customers, summed over the customer's own items."""
    items = sorted(known.items)
    place = {item: index for index, item in enumerate(items)}
    people = {customer: index for index, customer in enumerate(known.known)}
    bought = np.zeros((len(people), len(items)), np.float32)
    for customer, own in known.known.items():
        bought[people[customer], [place[item] for item in own]] = 1
    together = bought.T @ bought
    length = np.sqrt(np.diag(together))
    cosine = together / (length[:, None] * length)
    np.fill_diagonal(cosine, 0)
    lists = {}
    for customer in customers:
        scores = bought[people[customer]] @ cosine
        if new_only:
            scores[bought[people[customer]] > 0] = -1
        lists[customer] = [items[index] for index in np.argsort(-scores, kind="stable")[:k] if scores[index] >= 0]
    return lists


def ndcg(shown: Sequence[str], wanted: set[str], k: int = 10) -> float:
    """Discounted gain over that of the ideal list cut at k."""
    gain = sum(1 / math.log2(place + 2) for place, item in enumerate(shown[:k]) if item in wanted)
    return gain / sum(1 / math.log2(place + 2) for place in range(min(k, len(wanted))))


def recall(shown: Sequence[str], wanted: set[str], k: int = 10) -> float:
    """Share of the wanted items that were shown."""
    return len(wanted.intersection(shown[:k])) / len(wanted)


def average_precision(shown: Sequence[str], wanted: set[str], k: int = 10) -> float:
    """Sum of precision at each hit, over min(k, wanted)."""
    hits, total = 0, 0.0
    for place, item in enumerate(shown[:k], 1):
        if item in wanted:
            hits += 1
            total += hits / place
    return total / min(k, len(wanted))


def figures(lists: Lists, targets: dict[str, set[str]], items: int, k: int = 10) -> dict[str, float]:
    """Return mean recall, nDCG and MAP at k over the customers with targets, and the share of items shown to anyone."""
    measures = {"recall": recall, "ndcg": ndcg, "map": average_precision}
    means = {
        f"{name}@{k}": sum(measure(lists.get(customer, []), wanted, k) for customer, wanted in targets.items()) / max(1, len(targets))
        for name, measure in measures.items()
    }
    return {**means, f"coverage@{k}": len({item for shown in lists.values() for item in shown[:k]}) / max(1, items)}


BASELINES: dict[str, Baseline] = {
    "popular, last two months": popular,
    "own items, count and recency": own_by_count_and_recency,
    "own items, days x half-life x popularity": buy_again,
    "item to item, cosine": item_to_item,
}


def run(folder: Path, k: int = 10) -> dict[str, dict[str, dict[str, float]]]:
    """Return figures by baseline and task (`all`, `new`)."""
    known = task(list(read(folder)))
    found: dict[str, dict[str, dict[str, float]]] = {}
    for name, baseline in BASELINES.items():
        found[name] = {
            "all": figures(baseline(known, list(known.targets), False, k), known.targets, len(known.items), k),
            "new": figures(baseline(known, list(known.new_targets), True, k), known.new_targets, len(known.items), k),
        }
    return found


def _age(known: Task, moment: datetime) -> float:
    return (known.cut - moment).total_seconds() / 86_400


def _first(ranked: Sequence[str], left_out: Sequence[str] | dict[str, list[datetime]], k: int) -> list[str]:
    out: list[str] = []
    for item in ranked:
        if item not in left_out:
            out.append(item)
            if len(out) == k:
                break
    return out


def main() -> None:
    """Print the table."""
    found = run(Path(sys.argv[1]))
    for name, tasks in found.items():
        for which, values in tasks.items():
            print(f"{name:42} {which:4}", "  ".join(f"{key} {value:.4f}" for key, value in values.items()))


if __name__ == "__main__":
    main()
