"""From events to packed profiles, for many people at once. Pure: the same set of events gives the same bytes."""

import numpy as np
from numpy.typing import NDArray

from app.data.kinds import Kind
from app.data.profiles import buckets, carts, visits
from app.data.profiles.codec import ACTIVE_DAY, CART_ROW, ORDER, SIGNALS, UNITS, VISIT, VISIT_ROW, Columns, pack_profiles
from app.data.profiles.event_columns import Events, Ints, changes, last_own, latest

_PURCHASE = int(Kind.PURCHASE)
_DAY = 86_400
_FIRST_DAY = 1 << 23
# Money is summed in whole units: these add up to the same in every order.
_MOST_UNITS = 9e12


# long: the columns of one row, in the order in which they are packed
def profiles(events: Events) -> list[bytes]:
    """Return the packed profile of each of `events.people`."""
    if not len(events.people):
        return []
    people, first = len(events.people), np.flatnonzero(changes(events.index))
    newest = np.maximum.reduceat(events.second, first)
    seen, inside = visits.visits(events), carts.carts(events)
    ordered, moment, value = _orders(events)
    days = np.unique(events.index[events.own] << 24 | (events.second[events.own] // _DAY + _FIRST_DAY))
    day_owner = days >> 24
    day_end = np.minimum(((days & (2 * _FIRST_DAY - 1)) - _FIRST_DAY + 1) * _DAY - 1, newest[day_owner])
    # a signal that is nothing else counts once, a click that is one too counts as both
    plain, told = np.flatnonzero(((events.signal == 0) | (events.kind != 0)) & ~events.void), np.flatnonzero(events.signal)
    index = np.concatenate((events.index[plain], events.index[told], seen.index, ordered, day_owner))
    second = np.concatenate((events.second[plain], events.second[told], seen.start, moment, day_end))
    extra = np.repeat((VISIT, ORDER, ACTIVE_DAY), (len(seen.index), len(ordered), len(day_owner)))
    kinds = np.clip(events.kind[plain], -128, SIGNALS - 1)
    sort = np.concatenate((kinds, np.minimum(SIGNALS + events.signal[told], VISIT - 1), extra))
    place = buckets.places(newest[index], second)
    key, counts = np.unique(index << 16 | (sort + 128) << 8 | place, return_counts=True)
    heads = np.flatnonzero(changes(key >> 8))
    kept = key & 0xFF != buckets.OLD
    owner, steps = key >> 16, np.add.reduceat(kept.astype(np.int64), heads)
    order_bounds = np.searchsorted(ordered, np.arange(people + 1))
    visited, visit_bounds = latest(seen.index, people, visits.KEPT)
    lying, cart_bounds = latest(inside.index, people, carts.KEPT)
    return pack_profiles(
        Columns(
            newest=newest,
            last_seen=last_own(events),
            kind_bounds=np.searchsorted(owner[heads], np.arange(people + 1)),
            kinds=(key[heads] >> 8 & 0xFF) - 128,
            totals=np.add.reduceat(counts, heads),
            steps=steps,
            step_bounds=np.searchsorted(owner[kept], np.arange(people + 1)),
            places=key[kept] & 0xFF,
            counts=counts[kept],
            order_value=value,
            first_order=_of_orders(moment, order_bounds, np.minimum),
            last_order=_of_orders(moment, order_bounds, np.maximum),
            visit_bounds=visit_bounds,
            visits=_rows(VISIT_ROW, seen.start[visited], seen.length[visited], seen.pages[visited], seen.items[visited]),
            cart_bounds=cart_bounds,
            cart=_rows(CART_ROW, inside.item[lying], inside.added[lying], inside.quantity[lying]),
        )
    )


def _orders(events: Events) -> tuple[Ints, Ints, Ints]:
    """Return whose each order is, by person, and its first moment in unix seconds; and int64[P] what each person paid in all, in units.

    Purchases of one moment without an order id are one order.
    """
    bought = np.flatnonzero((events.kind == _PURCHASE) & ~events.void)
    paid = np.zeros(len(events.people), np.int64)
    if not len(bought):
        return bought, bought, paid
    with np.errstate(over="ignore", invalid="ignore"):
        money = np.rint(events.value[bought].astype(np.float64) * events.quantity[bought] * UNITS)
    money = np.clip(money, -_MOST_UNITS, _MOST_UNITS).astype(np.int64)
    index = events.index[bought]
    first = np.flatnonzero(changes(index))
    paid[index[first]] = np.add.reduceat(money, first)
    key = np.where(events.order[bought] != 0, events.order[bought], events.moment[bought])
    order = np.lexsort((events.second[bought], key, index))
    at = np.flatnonzero(changes(index[order], key[order]))
    return index[order][at], events.second[bought][order][at], paid


def _of_orders(moment: Ints, bounds: Ints, which: np.ufunc) -> Ints:
    """Return int64[P] the day of the first or last order in days since 1970; 0 for none."""
    found = np.zeros(len(bounds) - 1, np.int64)
    some = np.flatnonzero(np.diff(bounds))
    if len(some):
        found[some] = which.reduceat(moment, bounds[some]) // _DAY
    return found


def _rows(form: np.dtype[np.void], *columns: Ints) -> NDArray[np.void]:
    """Lay columns beside each other, each value within what its place holds."""
    found = np.zeros(len(columns[0]), form)
    for name, column in zip(form.names or (), columns, strict=True):
        found[name] = np.clip(column, 0, np.iinfo(form[name]).max)
    return found
