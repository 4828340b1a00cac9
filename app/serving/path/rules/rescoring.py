"""A list by the scores of a formula: its head is looked at as a whole, and put into words only as far as it is read."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.decisions.rules.ranking import multiplied
from app.decisions.rules.vector import Floats
from app.serving.model.candidates import Candidates
from app.serving.snapshot.catalogue import Catalogue, Ints, Passing

# so many of a list are scored by a formula
_MOST = 500
_PIECE = 32
Scored = Iterable[tuple[int, float]]
Rescore = Callable[[Ints, Floats], Floats]


def rescored(
    scored: Scored, catalogue: Catalogue, first: Passing, rescore: Rescore, factors: Floats | None, raw: dict[int, float]
) -> Iterator[tuple[int, float]]:
    """Yield the head of a list by the scores of a formula and factors, then the rest as it is.

    `raw` is filled with the scores before of what was yielded.
    """
    numbers, scores, rest = _head(scored)
    if len(numbers):
        items = first.first[catalogue.group_index(numbers)]
        good = items >= 0
        items, numbers, scores = items[good], numbers[good], scores[good]
        fresh = rescore(items, scores)
        if factors is not None:
            fresh = multiplied(fresh, factors[items])
        order = np.argsort(-fresh, kind="stable")
        for start in range(0, len(order), _PIECE):
            piece = order[start : start + _PIECE]
            found = numbers[piece].tolist()
            raw.update(zip(found, scores[piece].tolist(), strict=True))
            yield from zip(found, fresh[piece].tolist(), strict=True)
    yield from rest


def _head(scored: Scored) -> tuple[NDArray[Any], Floats, Iterator[tuple[int, float]]]:
    """Return the first group numbers and scores of a list, and the others; of a kept list all are first."""
    if isinstance(scored, Candidates):
        return *scored.arrays(), iter(())
    rest = iter(scored)
    head = list(islice(rest, _MOST))
    return np.array([number for number, _ in head], np.int64), np.array([score for _, score in head], np.float64), rest
