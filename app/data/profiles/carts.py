"""Carts: what was put in and not taken out, bought or cleared since. Pure.

Events of one moment count in the order put in, taken out, bought or cleared, whatever order they arrived in.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.data.kinds import Kind
from app.data.profiles.event_columns import Events, Ints, changes

KEPT = 50
LARGEST_QUANTITY = 65_535
_CLEAR, _REMOVE, _ADD, _PURCHASE = int(Kind.CART_CLEAR), int(Kind.CART_REMOVE), int(Kind.CART), int(Kind.PURCHASE)
_NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Carts:
    """What lies in the carts of many people, by person and time: item numbers, when each was put in last in unix seconds, pieces."""

    index: Ints
    item: Ints
    added: Ints
    quantity: Ints


def carts(events: Events) -> Carts:
    """Return what is left in each cart."""
    kind = events.kind
    owners = np.zeros(len(events.people), np.bool_)
    owners[events.index[kind == _ADD]] = True
    mine = np.flatnonzero(owners[events.index] & (events.item > 0) & ((kind == _ADD) | (kind == _REMOVE) | (kind == _PURCHASE)))
    mine = mine[_after_clearing(events, mine)]
    rank = np.where(kind[mine] == _ADD, 0, np.where(kind[mine] == _REMOVE, 1, 2))
    order = np.lexsort((rank, events.moment[mine], events.item[mine], events.index[mine]))
    mine, rank = mine[order], rank[order]
    none = np.zeros(0, np.int64)
    mine = mine[_after_leaving(events, mine, rank)]
    if not len(mine):
        return Carts(none, none, none, none)
    index, item, added = events.index[mine], events.item[mine], kind[mine] == _ADD
    first = np.flatnonzero(changes(index, item))
    quantity = _left(np.where(added, 1, -1) * _pieces(events, mine), first)
    moment = np.maximum.reduceat(np.where(added, events.second[mine], _NEVER), first)
    inside = np.flatnonzero((quantity > 0) & (moment > _NEVER))
    index, item, moment, quantity = index[first][inside], item[first][inside], moment[inside], quantity[inside]
    order = np.lexsort((item, moment, index))
    return Carts(index[order], item[order], moment[order], np.minimum(quantity[order], LARGEST_QUANTITY))


def _after_clearing(events: Events, mine: Ints) -> NDArray[np.bool_]:
    """Tell which events came after their person's cart was cleared last."""
    cleared = np.full(len(events.people), _NEVER)
    clear = np.flatnonzero(events.kind == _CLEAR)
    np.maximum.at(cleared, events.index[clear], events.moment[clear])
    after = events.moment[mine] > cleared[events.index[mine]]
    return np.asarray(after, np.bool_)


def _after_leaving(events: Events, mine: Ints, rank: Ints) -> NDArray[np.bool_]:
    """Tell which events came after their item was bought, or taken out without a number of pieces; sorted by person, item and time."""
    if not len(mine):
        return np.zeros(0, np.bool_)
    first = np.flatnonzero(changes(events.index[mine], events.item[mine]))
    place = np.arange(len(mine))
    left = (rank == 2) | ((rank == 1) & (events.quantity[mine] == 0))
    last = np.maximum.reduceat(np.where(left, place, -1), first)
    return np.asarray(place > np.repeat(last, np.diff(np.append(first, len(mine)))), np.bool_)


def _pieces(events: Events, mine: Ints) -> Ints:
    return np.clip(np.rint(np.abs(events.quantity[mine])), 1, LARGEST_QUANTITY).astype(np.int64)


def _left(change: Ints, first: Ints) -> Ints:
    """Return what is left at the end of each stretch of changes, where nothing ever falls below zero."""
    stretch = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(change))))
    total = np.cumsum(change)
    total -= (total[first] - change[first])[stretch]
    # the lowest level of each stretch: those of later stretches are moved below all earlier ones
    apart = int(total.max() - total.min()) + 1
    lowest = np.minimum.accumulate(total - stretch * apart) + stretch * apart
    last = np.append(first[1:], len(change)) - 1
    left: Ints = total[last] - np.minimum(lowest[last], 0)
    return left
