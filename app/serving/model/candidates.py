"""The value Redis keeps of a scored list: which model and which history it came from, then groups and scores.

Little-endian. Format u8 · model_no u32 · digest of the history u64 · count u16 · exact u8 · planes u8, then the first `exact`
entries as they are (groups u32, scores f32), which is all that most answers read. The others follow in few bytes: groups as in
`app.core.group_numbers`, their least score and the step between two levels as f32, and each score's level u8. A list whose scores
cannot be told in levels (not finite) has 255 for `exact`: all entries stand as they are.
"""

# long: packing and unpacking of one format stand together

import math
import struct
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core import group_numbers

FORMAT = 2
EXACT = 12
_NEAR = 20
_ALL = 255
_LEVELS = 255
_LARGEST = 1e30
_HEAD = struct.Struct("<BIQHBB")
_SCALE = struct.Struct("<ff")
_FIRST = [struct.Struct(f"<{count}I{count}f") for count in range(EXACT + 1)]


class Candidates:
    """A scored list, best first: group numbers and scores; `made_from` tells the history it rests on.

    Scores after the first 12 are those that were packed to within 1/510 of the range that these later scores span.
    """

    __slots__ = ("_count", "_exact", "_first", "made_from", "model_no", "value")

    def __init__(self, model_no: int, made_from: int, first: tuple[Any, ...], exact: int, count: int, value: bytes) -> None:
        self.model_no = model_no
        self.made_from = made_from
        self._first = first
        self._exact = exact
        self._count = count
        self.value = value

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[tuple[int, float]]:
        """Yield group number and score; all but the first entries are decoded only when they are reached."""
        exact = self._exact
        first = zip(self._first[:exact], self._first[exact:], strict=True)
        return first if exact == self._count else chain(first, self._later())

    def arrays(self) -> tuple[NDArray[np.uint32], NDArray[np.float64]]:
        """Return all group numbers and scores, for what looks at the whole list."""
        exact, value = self._exact, self.value
        numbers = np.frombuffer(value, "<u4", exact, _HEAD.size)
        scores = np.frombuffer(value, "<f4", exact, _HEAD.size + 4 * exact).astype(np.float64)
        if exact == self._count or (rest := self._rest()) is None:
            return numbers, scores
        return np.concatenate([numbers, rest[0]]), np.concatenate([scores, rest[1]])

    def _later(self) -> Iterator[tuple[int, float]]:
        """Yield what is behind the first: a few entries one by one, since few read further, and the others in one go."""
        value, rest, near = self.value, self._count - self._exact, min(_NEAR, self._count - self._exact)
        at = len(value) - rest
        least, step = _SCALE.unpack_from(value, at - _SCALE.size)
        if not math.isfinite(least + step):
            return
        numbers = group_numbers.first_numbers(value, _HEAD.size + 8 * self._exact, rest, value[_HEAD.size - 1], near)
        yield from zip(numbers, [least + step * level for level in value[at : at + near]], strict=True)
        if near < rest and (found := self._rest()) is not None:
            yield from zip(found[0][near:].tolist(), found[1][near:].tolist(), strict=True)

    def _rest(self) -> tuple[NDArray[np.uint32], NDArray[np.float64]] | None:
        """Decode all but the first entries; None where their scores cannot be told."""
        value, rest = self.value, self._count - self._exact
        groups = group_numbers.unpack_numbers(value, _HEAD.size + 8 * self._exact, rest, value[_HEAD.size - 1])
        at = len(value) - rest
        least, step = _SCALE.unpack_from(value, at - _SCALE.size)
        if not math.isfinite(least + step):
            return None
        return groups, least + step * np.frombuffer(value, np.uint8, offset=at).astype(np.float64)

    @property
    def groups(self) -> list[int]:
        """All group numbers."""
        return [group for group, _ in self]

    @property
    def scores(self) -> list[float]:
        """All scores."""
        return [score for _, score in self]


def pack(model_no: int, made_from: int, groups: Any, scores: Any) -> bytes:
    """Encode a list, best first; `groups` are group numbers, both arrays or sequences of one length."""
    numbers, given = np.asarray(groups, "<u4"), np.asarray(scores, "<f4")
    count, exact = len(numbers), min(EXACT, len(numbers))
    first = numbers[:exact].tobytes() + given[:exact].tobytes()
    if count == exact:
        return _HEAD.pack(FORMAT, model_no, made_from, count, exact, 0) + first
    later, rest = numbers[exact:], given[exact:]
    least, most = float(rest[-1]), float(rest[0])
    step = (most - least) / _LEVELS
    if not step <= _LARGEST:  # also NaN
        return _HEAD.pack(FORMAT, model_no, made_from, count, _ALL, 0) + numbers.tobytes() + given.tobytes()
    planes = group_numbers.planes_for(later)
    levels = ((rest - least) * (1 / step) + 0.5).astype(np.uint8).tobytes() if step else bytes(len(rest))
    head = _HEAD.pack(FORMAT, model_no, made_from, count, exact, planes)
    return b"".join((head, first, group_numbers.pack_numbers(later, planes), _SCALE.pack(least, step), levels))


def unpack(value: bytes | None) -> Candidates | None:
    """Decode a list; None for nothing, another format, a damaged value, or scores that are not finite."""
    if value is None or len(value) < _HEAD.size or value[0] != FORMAT:
        return None
    _, model_no, made_from, count, exact, planes = _HEAD.unpack_from(value)
    if exact == _ALL:
        return _as_it_is(value, model_no, made_from, count)
    if exact > EXACT or exact > count or planes > group_numbers.MOST_PLANES:
        return None
    rest, at = count - exact, _HEAD.size + 8 * exact
    if len(value) != at + (group_numbers.size(rest, planes) + _SCALE.size + rest if rest else 0):
        return None
    first = _FIRST[exact].unpack_from(value, _HEAD.size)
    if not math.isfinite(sum(first[exact:])):  # no JSON holds such a score
        return None
    return Candidates(model_no, made_from, first, exact, count, value)


def _as_it_is(value: bytes, model_no: int, made_from: int, count: int) -> Candidates | None:
    if len(value) != _HEAD.size + 8 * count:
        return None
    every = struct.unpack_from(f"<{count}I{count}f", value, _HEAD.size)
    return Candidates(model_no, made_from, every, count, count, value) if math.isfinite(sum(every[count:])) else None
