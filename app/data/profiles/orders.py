"""What is left of orders: each told once however many tell it, less what was returned or cancelled. Pure.

A telling is one message, or one imported source, whose rows are the lines of its orders. Of several tellings of one order the one with
the most pieces of an item counts for that item; of equal ones the earliest.
"""

import numpy as np
from numpy.typing import NDArray

from app.data.kinds import Kind

Ints = NDArray[np.int64]
PURCHASE, RETURN, CANCEL = int(Kind.PURCHASE), int(Kind.RETURN), int(Kind.ORDER_CANCEL)
CONCERNED = f"({RETURN}, {CANCEL}, {PURCHASE})"
"""SQL of the kinds that orders are made of."""
TELLING = (
    f"case when e.kind = {PURCHASE} and e.order_key is not null then coalesce(e.source_no::bigint, "
    "('x' || encode(substr(e.message_id, 1, 8), 'hex'))::bit(64)::bigint) else 0 end"
)
"""SQL of the number of the telling of a row of `event e`, 0 for a row that is told once only."""


def left(
    person: Ints, group: Ints, kind: Ints, moment: Ints, order: Ints, telling: Ints, quantity: NDArray[np.floating]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return which rows count as purchases no more, and the quantities after returns.

    `order` is 0 for none. A cancellation takes back all of its order; a return takes pieces from its order, oldest first, or, where it
    names none that is known, from what the person bought of the group before. Nobody can return more than was bought.
    """
    void = np.zeros(len(kind), np.bool_)
    amount = quantity.astype(np.float64)
    bought = np.flatnonzero(kind == PURCHASE)
    if not len(bought):
        return void, amount
    columns = (person[bought], order[bought], group[bought], telling[bought], moment[bought])
    void[bought] = _told_again(*columns, amount[bought])
    back = np.flatnonzero((kind == RETURN) | (kind == CANCEL))
    if len(back):
        _take_back(void, amount, person, group, kind, moment, order, bought[np.isin(person[bought], person[back])], back)
    return void, amount


def _told_again(person: Ints, order: Ints, group: Ints, telling: Ints, moment: Ints, amount: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which rows are of a telling that does not count for its order and group."""
    again = np.zeros(len(person), np.bool_)
    several = np.flatnonzero(order != 0)
    if not len(several):
        return again
    sort = several[np.lexsort((telling[several], group[several], order[several], person[several]))]
    line = _changes(person[sort], order[sort], group[sort])
    told = line | _changes(telling[sort])
    if told.sum() == line.sum():
        return again
    first = np.flatnonzero(told)
    pieces, earliest = np.add.reduceat(amount[sort], first), np.minimum.reduceat(moment[sort], first)
    of_line = (np.cumsum(line) - 1)[first]
    best = np.lexsort((telling[sort][first], earliest, -pieces, of_line))
    counts = np.zeros(len(first), np.bool_)
    counts[best[_changes(of_line[best])]] = True
    again[sort] = ~counts[np.cumsum(told) - 1]
    return again


def _take_back(
    void: NDArray[np.bool_], amount: NDArray[np.float64], person: Ints, group: Ints, kind: Ints, moment: Ints, order: Ints,
    bought: Ints, back: Ints,
) -> None:  # fmt: skip
    """Make void and lessen what was returned; few people return anything, so that these are gone through one by one."""
    bought = bought[~void[bought]]
    bought = bought[np.lexsort((moment[bought], person[bought]))]
    of_order: dict[tuple[int, int], list[int]] = {}
    of_group: dict[tuple[int, int], list[int]] = {}
    for row, who, which, what in zip(*(c.tolist() for c in (bought, person[bought], order[bought], group[bought])), strict=True):
        of_order.setdefault((who, which), []).append(row)
        of_group.setdefault((who, what), []).append(row)
    for row in back[np.lexsort((-amount[back], group[back], kind[back] == RETURN, moment[back], person[back]))].tolist():
        who, which, what = int(person[row]), int(order[row]), int(group[row])
        lines = of_order.get((who, which), []) if which else []
        if kind[row] == CANCEL:
            void[lines] = True
            continue
        mine = [line for line in lines if group[line] == what]
        if not mine and what:
            mine = [line for line in of_group.get((who, what), ()) if moment[line] <= moment[row]]
        left_over = float(amount[row])
        for line in mine:
            if left_over <= 0:
                break
            taken = min(left_over, float(amount[line]))
            left_over -= taken
            amount[line] -= taken
            void[line] |= amount[line] <= 0


def _changes(*columns: NDArray[np.generic]) -> NDArray[np.bool_]:
    changed = np.ones(len(columns[0]), np.bool_)
    if len(changed):
        changed[1:] = False
        for column in columns:
            changed[1:] |= column[1:] != column[:-1]
    return changed
