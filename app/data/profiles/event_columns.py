"""What events say about people: their newest item groups and their purchases, for many people at once. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.data.kinds import Kind, Signal
from app.data.profiles import orders

Ints = NDArray[np.int64]

# A row of PostgreSQL's binary COPY: the number of fields, then length and value of each.
ROW = np.dtype(
    [
        ("fields", ">i2"), ("l0", ">i4"), ("person", ">i8"), ("l1", ">i4"), ("group", ">i4"), ("l2", ">i4"), ("item", ">i4"),
        ("l3", ">i4"), ("kind", ">i2"), ("l4", ">i4"), ("moment", ">i8"), ("l5", ">i4"), ("order", ">i8"), ("l6", ">i4"), ("number", ">i8"),
        ("l7", ">i4"), ("quantity", ">f4"), ("l8", ">i4"), ("value", ">f4"), ("l9", ">i4"), ("signal", ">i2"),
        ("l10", ">i4"), ("on_site", "?"), ("l11", ">i4"), ("telling", ">i8"),
    ]
)  # fmt: skip
_NAMES = ("person", "group", "item", "kind", "moment", "order", "number", "quantity", "value", "signal", "on_site", "telling")
_SIGNATURE = b"PGCOPY\n\xff\r\n\0"
_HEAD_BYTES, _TAIL = len(_SIGNATURE) + 8, b"\xff\xff"
# PostgreSQL counts microseconds since 2000
_SECOND, _DAY = 1_000_000, 86_400_000_000
_EPOCH_S, _EPOCH_DAYS = 946_684_800, 10_957
_PURCHASE = int(Kind.PURCHASE)
# The first signal that the person did.
_FIRST_ACT = int(Signal.IMPRESSION)


@dataclass(frozen=True)
class Events:
    """N events of P people, by person, group, kind and key; each once.

    `people` int64[P] ascends, `index` is the position of each event's person there. `moment` is in microseconds since 2000, `second`
    the same in unix seconds. `group`, `item`, `order` and `signal` are 0 for none; `key` is the order, else the event's number. `own` tells
    what the person did; the rest was done to them, as a letter that was sent. `void` tells which purchases count no more, since another
    telling of the order counts, or since they were returned; `quantity` is what was left of the others.
    """

    people: Ints
    index: Ints
    moment: Ints
    second: Ints
    group: Ints
    item: Ints
    kind: Ints
    order: Ints
    key: Ints
    quantity: NDArray[np.float32]
    value: NDArray[np.float32]
    signal: Ints
    own: NDArray[np.bool_]
    on_site: NDArray[np.bool_]
    void: NDArray[np.bool_]


@dataclass(frozen=True)
class Facts:
    """What is known of P people, ascending by `person`; columns of all of them behind each other, bounds int64[P+1] between them.

    History, oldest first: `groups`, `last_at` in unix seconds, `kinds` the strongest kind, `times` its distinct orders or events,
    `amounts` its sum of quantities. Purchases, newest last: `bought`, `bought_day` in days since 1970. `last_seen` int64[P] in
    unix seconds, 0 for never.
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


def read(copied: bytes, members: Mapping[int, int]) -> Events:
    """Return the events of a binary COPY, each once, by root, group, kind and key; `members` gives the root of each person.

    The copied columns: person_no, group_no and item_no (0 for none), kind, moment, order (0 for none), event number, quantity, value,
    signal (0 for none), whether it happened on a page, telling (`app.data.profiles.orders.TELLING`). Raises ValueError for any other form.
    """
    body = len(copied) - _HEAD_BYTES - len(_TAIL)
    if not copied.startswith(_SIGNATURE) or body % ROW.itemsize or not copied.endswith(_TAIL):
        raise ValueError("PostgreSQL copied events in a form that is not known")
    return distinct(under_roots(np.frombuffer(copied, ROW, body // ROW.itemsize, _HEAD_BYTES), members))


def under_roots(rows: Any, members: Mapping[int, int]) -> Any:
    """Return rows with each person's root in place of the person; `members` gives the root of each person."""
    if all(person == root for person, root in members.items()):
        return rows
    people = np.array(sorted(members), np.int64)
    roots = np.array([members[person] for person in people.tolist()], np.int64)
    rows = rows.copy()
    rows["person"] = roots[np.searchsorted(people, rows["person"].astype(np.int64))]
    return rows


def distinct(rows: Any) -> Events:
    """Return the events of rows in any order, in which an event may stand more than once."""
    rows = rows[np.unique(rows["number"].astype(np.int64), return_index=True)[1]]
    native = {name: rows[name].astype(rows[name].dtype.newbyteorder("=")) for name in _NAMES}
    native["key"] = np.where(native["order"] != 0, native["order"], native["number"])
    order = np.lexsort((native["key"], native["kind"], native["group"], native["person"]))
    native = {name: column[order] for name, column in native.items()}
    new = changes(native["person"])
    person, group, kind, moment, order_, telling = (
        native[name].astype(np.int64) for name in ("person", "group", "kind", "moment", "order", "telling")
    )
    void, quantity = orders.left(person, group, kind, moment, order_, telling, native["quantity"])
    return Events(
        people=native["person"][new],
        index=np.cumsum(new) - 1,
        moment=native["moment"],
        second=_seconds(native["moment"]),
        group=native["group"].astype(np.int64),
        item=native["item"].astype(np.int64),
        kind=native["kind"].astype(np.int64),
        order=native["order"],
        key=native["key"],
        quantity=quantity.astype(np.float32),
        value=native["value"],
        signal=native["signal"].astype(np.int64),
        own=(native["signal"] == 0) | (native["signal"] >= _FIRST_ACT),
        on_site=native["on_site"],
        void=void,
    )


def gather(events: Events, history: int, bought: int) -> Facts:
    """Sum events up, keeping the newest `history` groups and `bought` purchases of each person."""
    people, last_seen = events.people, last_own(events)
    counted = (events.kind > 0) & (events.group > 0) & events.own & ~events.void
    amount = events.quantity[counted]
    index, group, kind, key, moment = (column[counted] for column in (events.index, events.group, events.kind, events.key, events.moment))
    # one entry a person, group and kind
    new_kind = changes(index, group, kind)
    at = np.flatnonzero(new_kind)
    if not len(at):
        none, bounds = np.zeros(0, np.int64), np.zeros(len(people) + 1, np.int64)
        return Facts(people, last_seen, bounds, none, none, none, none, np.zeros(0, np.float32), bounds, none, none)
    times = np.add.reduceat((new_kind | changes(key)).astype(np.int64), at)
    amounts = np.add.reduceat(amount.astype(np.float64), at).astype(np.float32)
    last = np.maximum.reduceat(moment, at)
    index, group, kind = index[at], group[at], kind[at]
    mine = np.flatnonzero(kind == _PURCHASE)
    kept, bought_bounds = _newest(len(people), index[mine], last[mine], group[mine], bought)
    bought_groups, bought_last = group[mine][kept], last[mine][kept]
    # one entry a person and group: kinds ascend, so the strongest stands last
    at = np.flatnonzero(changes(index, group))
    strongest = np.append(at[1:], len(index)) - 1
    last = np.maximum.reduceat(last, at)
    kept, bounds = _newest(len(people), index[at], last, group[at], history)
    chosen = strongest[kept]
    return Facts(
        people, last_seen, bounds, group[chosen], _seconds(last[kept]), kind[chosen],
        times[chosen], amounts[chosen], bought_bounds, bought_groups,
        bought_last // _DAY + _EPOCH_DAYS,
    )  # fmt: skip


def last_own(events: Events) -> Ints:
    """Return int64[P] the newest moment at which each person did anything, in unix seconds; 0 for never."""
    found = np.zeros(len(events.people), np.int64)
    index, second = events.index[events.own], events.second[events.own]
    first = np.flatnonzero(changes(index))
    if len(first):
        found[index[first]] = np.maximum.reduceat(second, first)
    return found


def _newest(people: int, index: Ints, last: Ints, group: Ints, most: int) -> tuple[Ints, Ints]:
    """Return which entries are each person's newest, oldest first (of one moment: the lower group last), and the bounds between people."""
    order = np.lexsort((-group, last, index))
    kept, bounds = latest(index[order], people, most)
    return order[kept], bounds


def latest(index: Ints, people: int, most: int) -> tuple[NDArray[np.bool_], Ints]:
    """Return which entries are among the last `most` of their person, given persons ascending, and int64[people + 1] bounds of those."""
    ends = np.searchsorted(index, np.arange(people), side="right")
    counts = np.diff(np.append(0, ends))
    kept = np.repeat(ends, counts) - np.arange(len(index)) <= most
    return kept, np.append(0, np.cumsum(np.minimum(counts, most)))


def changes(*columns: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell where a row differs from the one before in any column; the first does."""
    changed = np.ones(len(columns[0]), np.bool_)
    if len(changed):
        changed[1:] = False
        for column in columns:
            changed[1:] |= column[1:] != column[:-1]
    return changed


def _seconds(moment: Ints) -> Ints:
    return (moment + _SECOND // 2) // _SECOND + _EPOCH_S
