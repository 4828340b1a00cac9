"""The value Redis keeps of a scored list: which model and which history it came from, then groups and scores."""

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FORMAT = 1
_HEAD = struct.Struct("<BIQH")


@dataclass(frozen=True, slots=True)
class Candidates:
    """A scored list, best first; `groups` uint32 group numbers, `scores` float32. Decoded arrays are read-only views."""

    model_no: int
    seq: int
    groups: NDArray[np.uint32]
    scores: NDArray[np.float32]


def pack(candidates: Candidates) -> bytes:
    """Encode a list."""
    head = _HEAD.pack(FORMAT, candidates.model_no, candidates.seq, len(candidates.groups))
    return head + candidates.groups.astype("<u4").tobytes() + candidates.scores.astype("<f4").tobytes()


def unpack(value: bytes | None) -> Candidates | None:
    """Decode a list; None for nothing, another format or a damaged value."""
    if value is None or len(value) < _HEAD.size or value[0] != FORMAT:
        return None
    _, model_no, seq, count = _HEAD.unpack_from(value)
    if len(value) != _HEAD.size + 8 * count:
        return None
    groups = np.frombuffer(value, "<u4", count, _HEAD.size)
    return Candidates(model_no, seq, groups, np.frombuffer(value, "<f4", count, _HEAD.size + 4 * count))
