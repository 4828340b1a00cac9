"""What of a catalogue moves with the clock alone: sales that begin and end, and items that expire."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Timed = NDArray[Any]
# moments in unix seconds: a sale holds from `begins` to `ends`, the item until `expires`; the last instants count
TIMED = np.dtype(
    [
        ("index", "<i8"), ("stock", "?"), ("price", "<f8"), ("sale", "<f8"), ("begins", "<f8"), ("ends", "<f8"), ("expires", "<f8"),
    ]
)  # fmt: skip
_INSTANT = 1e-6


def none() -> Timed:
    """Return nothing that moves."""
    return np.zeros(0, TIMED)


def entry(
    index: int, stock: bool, price: float, sale: float | None, begins: float | None, ends: float | None, expires: float | None
) -> tuple[Any, ...]:
    """Return an item's row; None stands for no sale and for no bound."""
    inf = float("inf")
    bounds = (-inf if begins is None else begins, inf if ends is None else ends, inf if expires is None else expires)
    return (index, stock, price, float("nan") if sale is None else sale, *bounds)


def replaced(timed: Timed, indexes: Iterable[int], entries: list[tuple[Any, ...]]) -> Timed:
    """Return the rows with those of some items replaced."""
    others = timed[~np.isin(timed["index"], list(indexes))]
    return np.concatenate([others, np.array(entries, TIMED)]) if entries else others


def settle(timed: Timed, available: NDArray[np.bool_], price: NDArray[np.float64], now: float) -> float:
    """Set stock and price of the items to what holds at a unix moment; return the moment of the next change, infinity for none."""
    if not len(timed):
        return float("inf")
    on = (timed["begins"] <= now) & (now <= timed["ends"]) & ~np.isnan(timed["sale"])
    price[timed["index"]] = np.where(on, timed["sale"], timed["price"])
    available[timed["index"]] = timed["stock"] & (now <= timed["expires"])
    moments = np.concatenate([timed["begins"], timed["ends"] + _INSTANT, timed["expires"] + _INSTANT])
    return float(np.min(moments, where=moments > now, initial=np.inf))
