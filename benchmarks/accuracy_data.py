"""Public data as interactions and what to find: one function a protocol. Nothing is tuned on what is to be found."""

import csv
import gzip
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from app.ml import contract
from app.ml.contract import Ints
from app.ml.dataset import in_order
from app.ml.evaluation import holdout
from app.ml.interactions import NO_ORDER, Interactions

VIEW, RATING, PURCHASE = (contract.KINDS.index(name) for name in ("view", "rating", "purchase"))
_DAY = 86_400.0
_MINUTE = 60


@dataclass(frozen=True)
class Question:
    """What a model learns from and what is known when it is asked, and what to find: `targets` (distinct rows) of `people`.

    `left_out` rows are not to be shown. `unknown` people have nothing to find that the data before knew; they count as missed.
    """

    data: Interactions
    known: Interactions
    people: list[int]
    targets: list[Ints]
    left_out: list[Ints]
    unknown: int = 0


def lines(path: Path) -> Iterable[str]:
    """Yield the lines of a compressed file."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from file


def sequences(
    parts: Sequence[Sequence[int]], kind: int, ends: Any, row_of: dict[int, int] | None = None
) -> tuple[Interactions, dict[int, int]]:
    """Return people's sequences as events, each a minute after the one before and ending so many seconds before now, and rows by item."""
    if row_of is None:
        row_of = {item: row for row, item in enumerate(sorted({item for part in parts for item in part}))}
    person = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    row = np.array([row_of[item] for part in parts for item in part], np.int32)
    back = np.concatenate([np.arange(len(part), 0, -1) for part in parts]) * _MINUTE
    seconds = back + np.asarray(ends)[person]
    return _interactions(len(row_of), len(parts), person, row, np.full(len(row), kind), seconds), row_of


def _interactions(
    rows: int, people: int, person: Any, row: Any, kind: Any, seconds: Any, order: Any = None, amount: Any = None
) -> Interactions:
    size = len(row)
    data = Interactions(
        np.arange(rows, dtype=np.int64),
        people,
        person.astype(np.int32),
        row.astype(np.int32),
        kind.astype(np.int8),
        (seconds / _DAY).astype(np.float32),
        np.full(size, NO_ORDER, np.int64) if order is None else order,
        np.ones(size, np.float32) if amount is None else amount,
    )
    return in_order(data, -np.rint(seconds).astype(np.int64))


def _next_item(whole: Sequence[Sequence[int]], kind: int, hidden: int, ends: Any) -> Question:
    """Hide the last items of everybody and ask for the very last of those who know all before; nobody took an item twice."""
    data, row_of = sequences([part[:-hidden] for part in whole], kind, ends)
    known = data
    if hidden > 1:
        known, _ = sequences([[item for item in part[:-1] if item in row_of] for part in whole], kind, ends, row_of=row_of)
    targets = [np.array([row_of[part[-1]]] if part[-1] in row_of else [], np.int64) for part in whole]
    asked = [person for person, target in enumerate(targets) if len(target)]
    out = [known.histories.of(person).row for person in asked]
    return Question(data, known, asked, [targets[person] for person in asked], out, len(whole) - len(asked))


def _spread(count: int, days: float) -> Any:
    """Return ends of people spread over some days, in an order that says nothing of them."""
    return np.random.default_rng(11).permutation(np.linspace(0, days * _DAY, count))


def movies(folder: Path) -> Question:
    """MovieLens 1M, 3,416 movies: the last of each person, who saw no movie twice."""
    parts: dict[int, list[tuple[int, int]]] = {}
    for line in csv.DictReader(lines(folder / "ml-1m" / "sequence_order.csv.gz")):
        parts.setdefault(int(line["UserID"]), []).append((int(line["Position"]), int(line["MovieID"])))
    whole = [[movie for _, movie in sorted(part)] for part in parts.values()]
    return _next_item(whole, RATING, 1, _spread(len(whole), 300))


def liked_movies(folder: Path) -> Question:
    """MovieLens 1M, ratings of 4 and 5 of people and movies with ten: the first published fifth of each person, without order."""
    pairs = [
        (row["UserID"], row["MovieID"]) for row in csv.DictReader(lines(folder / "ml-1m" / "ratings.csv.gz")) if int(row["Rating"]) >= 4
    ]
    while True:
        people, movies = Counter(one for one, _ in pairs), Counter(one for _, one in pairs)
        kept = [(one, other) for one, other in pairs if people[one] >= 10 and movies[other] >= 10]
        if len(kept) == len(pairs):
            break
        pairs = kept
    hidden = {tuple(line.split()) for line in lines(folder / "ml-1m" / "quest_splits" / "test_0.tsv.gz")}
    person_of = {one: number for number, one in enumerate(sorted({one for one, _ in pairs}, key=int))}
    row_of = {one: number for number, one in enumerate(sorted({one for _, one in pairs}, key=int))}
    known = [(person_of[one], row_of[other]) for one, other in pairs if (one, other) not in hidden]
    person, row = (np.array([pair[part] for pair in known]) for part in (0, 1))
    data = _interactions(len(row_of), len(person_of), person, row, np.full(len(row), RATING), np.full(len(row), _DAY))
    wanted: dict[int, list[int]] = {}
    for one, other in hidden:
        wanted.setdefault(person_of[one], []).append(row_of[other])
    asked = sorted(wanted)
    return Question(data, data, asked, [np.array(wanted[one]) for one in asked], [data.histories.of(one).row for one in asked])


def amazon(name: str, hidden: int) -> Callable[[Path], Question]:
    """Beauty or Sports: the last of each person; `hidden` 2 trains without the one before, as published."""

    def read(folder: Path) -> Question:
        whole = [[int(item) for item in line.split()[1:]] for line in lines(folder / "amazon-lastfm-s3rec" / f"{name}.txt.gz")]
        return _next_item(whole, PURCHASE, hidden, _spread(len(whole), 300))

    return read


def sessions(new: bool) -> Callable[[Path], Question]:
    """RetailRocket: the last click of the newest tenth of the sessions; `new` asks only for items that the session did not have."""

    def read(folder: Path) -> Question:
        whole = [
            [int(item) for item in line.replace(",", " ").split()]
            for line in lines(folder / "retailrocket-sessions" / "train_sessions.txt.gz")
        ]
        first = len(whole) * 9 // 10
        late = [part for part in whole[first:] if len(part) > 1]
        ends = np.linspace(60 * _DAY, 0, first + len(late))
        data, row_of = sequences([*whole[:first], *(part[:-1] for part in late)], VIEW, ends)
        people, targets, out = [], [], []
        asked = 0
        for person, part in enumerate(late, first):
            own = data.histories.of(person).row
            row = row_of.get(part[-1])
            if new and row is not None and row in own:
                continue
            asked += 1
            if row is not None:
                people.append(person)
                targets.append(np.array([row], np.int64))
                out.append(own if new else np.empty(0, np.int64))
        return Question(data, data, people, targets, out, asked - len(people))

    return read


def _shop(orders: Iterable[tuple[str, str, datetime, str, float]], cut: datetime, end: datetime, *, new: bool) -> Question:
    """Ask what people who were known bought from a moment to another; `new` leaves out what they bought before."""
    people: dict[str, int] = {}
    items: dict[str, int] = {}
    numbers: dict[str, int] = {}
    kept = [line for line in orders if line[2] < end]
    person = np.array([people.setdefault(line[0], len(people)) for line in kept])
    row = np.array([items.setdefault(line[1], len(items)) for line in kept])
    seconds = np.array([(end - line[2]).total_seconds() for line in kept])
    order = np.array([numbers.setdefault(line[3], len(numbers)) for line in kept], np.int64)
    amount = np.array([line[4] for line in kept], np.float32)
    whole = _interactions(len(items), len(people), person, row, np.full(len(row), PURCHASE), seconds, order, amount)
    held = holdout.split(whole, (end - cut).total_seconds() / _DAY)
    asked, targets, out = [], [], []
    for one in sorted(held.targets):
        own = held.before.histories.of(one).row if new else np.empty(0, np.int64)
        if len(target := np.setdiff1d(held.targets[one], own)):
            asked.append(one)
            targets.append(target)
            out.append(own)
    return Question(held.before, held.before, asked, targets, out)


def online_retail(new: bool) -> Callable[[Path], Question]:
    """Online Retail: July and August 2011, of customers and products only."""

    def orders(folder: Path) -> Iterable[tuple[str, str, datetime, str, float]]:
        for name, until in (("online_retail_II_2009-12_2010-12", datetime(2010, 12, 1)), ("online_retail_2010-12_2011-08", datetime.max)):
            for invoice, code, _, quantity, moment, price, customer, *_ in list(
                csv.reader(lines(folder / "online-retail" / f"{name}.csv.gz"))
            )[1:]:
                at = datetime.fromisoformat(moment)
                real = customer and not invoice.startswith("C") and code[:5].isdigit() and float(quantity) > 0 and float(price) > 0
                if real and at < until:
                    yield customer.removesuffix(".0"), code, at, invoice, float(quantity)

    return lambda folder: _shop(orders(folder), datetime(2011, 7, 1), datetime(2011, 9, 1), new=new)


def groceries(new: bool) -> Callable[[Path], Question]:
    """The Complete Journey: the 28 days from 1 October 2017."""

    def orders(folder: Path) -> Iterable[tuple[str, str, datetime, str, float]]:
        for line in csv.DictReader(lines(folder / "completejourney" / "transactions_sample.csv.gz")):
            at = datetime.fromisoformat(line["transaction_timestamp"].replace("Z", ""))
            yield line["household_id"], line["product_id"], at, line["basket_id"], max(1.0, float(line["quantity"]))

    return lambda folder: _shop(orders(folder), datetime(2017, 10, 1), datetime(2017, 10, 29), new=new)
