"""The contract between a person's history and a model: names, types and the batch that training and serving both assemble.

Knows numpy only, so that the server never loads what builds the graphs (`app/ml/graph`).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]

VERSION = 1
"""Version of the contract an artefact was built for; the loader refuses any other."""

KINDS = ("none", "impression", "click", "view", "wishlist", "cart", "rating", "purchase")
"""Event kinds, weakest first; a batch carries their positions."""
PURCHASE = KINDS.index("purchase")

HISTORY, KIND, AGE, TIMES, AMOUNT = "history", "kind", "age", "times", "amount"
BODY_INPUTS: dict[str, type[np.generic]] = {HISTORY: np.int64, KIND: np.int64, AGE: np.float32, TIMES: np.float32, AMOUNT: np.float32}
MASK, MASK_ID, EXCLUDE, K, CANDIDATES = "mask", "mask_id", "exclude", "k", "candidates"
TOP_INPUTS: dict[str, type[np.generic]] = {MASK: np.float32, MASK_ID: np.int64, EXCLUDE: np.int64, K: np.int64}
RANK_INPUTS: dict[str, type[np.generic]] = {CANDIDATES: np.int64}
ITEM, SCORE = "item", "score"
TOP_OUTPUTS = (ITEM, SCORE)
RANK_OUTPUTS = (SCORE,)

PAD = -1


class History(NamedTuple):
    """What one person did, as rows of one model: distinct rows, the newest last, all arrays of one length.

    `kind` is the strongest event kind on the row, `age` the days since the last event on it, `times` the number of
    distinct orders (purchases) or events of that kind, `amount` the sum of their quantity, rating or minutes.
    """

    row: Ints
    kind: Ints
    age: Floats
    times: Floats
    amount: Floats

    def newest(self, limit: int) -> "History":
        """Return the newest `limit` rows."""
        if len(self.row) <= limit:
            return self
        first = len(self.row) - limit
        return History(self.row[first:], self.kind[first:], self.age[first:], self.times[first:], self.amount[first:])

    def only(self, chosen: NDArray[np.bool_]) -> "History":
        """Return the chosen entries."""
        return History(self.row[chosen], self.kind[chosen], self.age[chosen], self.times[chosen], self.amount[chosen])


class Batch(NamedTuple):
    """Histories of B people padded to L columns: `history` with -1, the others with 0; all arrays [B,L]."""

    history: Ints
    kind: Ints
    age: Floats
    times: Floats
    amount: Floats

    def feed(self, names: frozenset[str]) -> dict[str, Any]:
        """Return the arrays that a graph with these inputs reads."""
        return {name: array for name, array in zip(BODY_INPUTS, self, strict=True) if name in names}


def told_apart(age: Floats, moment: Any, person: Any = 0) -> Floats:
    """Return ages (float32 days, above or at 0, newest last by person) that differ by a hair wherever the moments (whole seconds) do.

    Single precision alone tells seconds apart for some months only, and what happened at once is read from equal ages.
    """
    if len(age) < 2:
        return age
    # bits of such numbers order as the numbers do: each older moment gets at least the next one
    bits, owner = age.view(np.int32).astype(np.int64), np.broadcast_to(person, age.shape)
    older = np.zeros(len(age), np.int64)
    older[:-1] = (moment[:-1] != moment[1:]) | (owner[:-1] != owner[1:])
    place = older[::-1].cumsum()
    # people apart by more than any age, so that the highest so far is always the person's own
    apart = np.cumsum(np.concatenate([[0], owner[::-1][1:] != owner[::-1][:-1]])) << 33
    settled = np.maximum.accumulate(bits[::-1] - place + apart) + place - apart
    return np.asarray(settled[::-1].astype(np.int32).view(np.float32))


def history(row: Any = (), kind: Any = (), age: Any = (), times: Any = (), amount: Any = ()) -> History:
    """Build a history from sequences of equal length, newest last, with the types of the contract."""
    parts = (row, kind, age, times, amount)
    made: list[Any] = [np.asarray(part, dtype) for part, dtype in zip(parts, BODY_INPUTS.values(), strict=True)]
    if len({len(part) for part in made}) != 1:
        raise ValueError("the parts of a history must have one length")
    return History(*made)


def assemble(histories: Sequence[History], limit: int = 200) -> Batch:
    """Pad histories into one batch, keeping the newest `limit` rows of each; at least one column wide.

    The histories stand at the left, the padding at the right.
    """
    kept = [one.newest(limit) for one in histories]
    shape = (len(kept), max([1, *(len(one.row) for one in kept)]))
    arrays: list[Any] = [np.full(shape, PAD if name == HISTORY else 0, dtype) for name, dtype in BODY_INPUTS.items()]
    for place, one in enumerate(kept):
        length = len(one.row)
        for target, part in zip(arrays, one, strict=True):
            target[place, :length] = part
    return Batch(*arrays)


def pad(rows: Sequence[Any]) -> Ints:
    """Pad lists of rows to one int64[B,E] array with -1; at least one column wide."""
    width = max([1, *(len(one) for one in rows)])
    out = np.full((len(rows), width), PAD, np.int64)
    for place, one in enumerate(rows):
        out[place, : len(one)] = one
    return out


def open_mask(rows: int) -> Floats:
    """Return the mask that lets every row pass: float32[1,N] of zeros."""
    return np.zeros((1, rows), np.float32)
