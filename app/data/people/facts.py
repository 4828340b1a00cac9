"""What events say about people: their newest item groups and their purchases, for many people at once. Pure."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

# A row of PostgreSQL's binary COPY: the number of fields, then length and value of each.
_ROW = np.dtype(
    [
        ("fields", ">i2"), ("l0", ">i4"), ("person", ">i8"), ("l1", ">i4"), ("group", ">i4"), ("l2", ">i4"), ("kind", ">i2"),
        ("l3", ">i4"), ("moment", ">i8"), ("l4", ">i4"), ("key", ">i8"), ("l5", ">i4"), ("amount", ">f4"),
    ]
)  # fmt: skip
_SIGNATURE = b"PGCOPY\n\xff\r\n\0"
_HEAD_BYTES, _TAIL = len(_SIGNATURE) + 8, b"\xff\xff"
# PostgreSQL counts microseconds since 2000
_SECOND, _DAY = 1_000_000, 86_400_000_000
_EPOCH_S, _EPOCH_DAYS = 946_684_800, 10_957
_PURCHASE = 7


@dataclass(frozen=True)
class Facts:
    """What is known of P people, ascending by `person`; columns of all of them behind each other, bounds int64[P+1] between them.

    History, oldest first: `groups`, `last_at` in unix seconds, `kinds` the strongest kind, `times` its distinct orders or events,
    `amounts` its sum of quantities. Purchases, newest last: `bought`, `bought_day` in days since 1970. `last_seen` int64[P] in
    unix seconds.
    """

    person: Ints
    last_seen: Ints
    bounds: Ints
    groups: Ints
    last_at: Ints
    kinds: Ints
    times: Ints
    amounts: NDArray[np.float32]
    bought_bounds: Ints
    bought: Ints
    bought_day: Ints


def read(copied: bytes) -> Any:
    """Return the rows of a binary COPY of person_no, group_no (0 for none), kind, occurred_at, order or event number, quantity."""
    body = len(copied) - _HEAD_BYTES - len(_TAIL)
    if not copied.startswith(_SIGNATURE) or body % _ROW.itemsize or not copied.endswith(_TAIL):
        raise ValueError("PostgreSQL copied events in a form that is not known")
    return np.frombuffer(copied, _ROW, body // _ROW.itemsize, _HEAD_BYTES)


def gather(rows: Any, history: int, bought: int) -> Facts:
    """Sum rows of `read` up, keeping the newest `history` groups and `bought` purchases of each person."""
    columns = (rows["person"], rows["group"], rows["kind"], rows["key"], rows["moment"], rows["amount"])
    person, group, kind, key, moment, amount = (column.astype(column.dtype.newbyteorder("=")) for column in columns)
    order = np.lexsort((key, kind, group, person))
    person, group, kind, key, moment, amount = (column[order] for column in (person, group, kind, key, moment, amount))
    people, first = _starts(person)
    last_seen = np.maximum.reduceat(moment, first) if len(first) else np.zeros(0, np.int64)
    counted = (kind > 0) & (group > 0)
    person, group, kind, key, moment, amount = (column[counted] for column in (person, group, kind, key, moment, amount))
    # one entry a person, group and kind
    new_kind = _changes(person, group, kind)
    at = np.flatnonzero(new_kind)
    if not len(at):
        none, bounds = np.zeros(0, np.int64), np.zeros(len(people) + 1, np.int64)
        return Facts(people, _seconds(last_seen), bounds, none, none, none, none, np.zeros(0, np.float32), bounds, none, none)
    times = np.add.reduceat((new_kind | _changes(key)).astype(np.int64), at)
    amounts = np.add.reduceat(amount.astype(np.float64), at).astype(np.float32)
    last = np.maximum.reduceat(moment, at)
    person, group, kind = person[at], group[at], kind[at]
    newest = _newest(people, person[kind == _PURCHASE], last[kind == _PURCHASE], group[kind == _PURCHASE], bought)
    bought_groups, bought_last = group[kind == _PURCHASE][newest[0]], last[kind == _PURCHASE][newest[0]]
    # one entry a person and group: kinds ascend, so the strongest stands last
    at = np.flatnonzero(_changes(person, group))
    strongest = np.append(at[1:], len(person)) - 1
    last = np.maximum.reduceat(last, at)
    kept, bounds = _newest(people, person[at], last, group[at], history)
    chosen = strongest[kept]
    return Facts(
        people, _seconds(last_seen), bounds, group[chosen].astype(np.int64), _seconds(last[kept]), kind[chosen].astype(np.int64),
        times[chosen], amounts[chosen], newest[1], bought_groups.astype(np.int64),
        (bought_last + _DAY // 2) // _DAY + _EPOCH_DAYS,
    )  # fmt: skip


def _newest(people: Ints, person: Ints, last: Ints, group: Ints, most: int) -> tuple[Ints, Ints]:
    """Return which entries are each person's newest, oldest first (of one moment: the lower group last), and the bounds between people."""
    order = np.lexsort((-group.astype(np.int64), last, person))
    ends = np.searchsorted(person[order], people, side="right")
    counts = np.diff(np.append(0, ends))
    kept = np.repeat(ends, counts) - np.arange(len(order)) <= most
    return order[kept], np.append(0, np.cumsum(np.minimum(counts, most)))


def _starts(column: Ints) -> tuple[Ints, Ints]:
    first = np.flatnonzero(_changes(column))
    return column[first], first


def _changes(*columns: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell where a row differs from the one before in any column; the first does."""
    changed = np.ones(len(columns[0]), np.bool_)
    if len(changed):
        changed[1:] = False
        for column in columns:
            changed[1:] |= column[1:] != column[:-1]
    return changed


def _seconds(moment: Ints) -> Ints:
    return (moment + _SECOND // 2) // _SECOND + _EPOCH_S
