"""The value Redis keeps of a scored list: which model and which history it came from, then groups and scores."""

import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

FORMAT = 1
_HEAD = struct.Struct("<BIQH")
_NATIVE = sys.byteorder == "little"


@dataclass(frozen=True, slots=True)
class Candidates:
    """A scored list, best first: group numbers and their scores, as plain numbers when they are indexed."""

    model_no: int
    seq: int
    groups: Sequence[int]
    scores: Sequence[float]


def pack(model_no: int, seq: int, groups: Any, scores: Any) -> bytes:
    """Encode a list; `groups` are group numbers, both arrays or sequences of one length."""
    head = _HEAD.pack(FORMAT, model_no, seq, len(groups))
    return head + np.asarray(groups, "<u4").tobytes() + np.asarray(scores, "<f4").tobytes()


def unpack(value: bytes | None) -> Candidates | None:
    """Decode a list; None for nothing, another format or a damaged value."""
    if value is None or len(value) < _HEAD.size or value[0] != FORMAT:
        return None
    _, model_no, seq, count = _HEAD.unpack_from(value)
    if len(value) != _HEAD.size + 8 * count:
        return None
    middle = _HEAD.size + 4 * count
    if not _NATIVE:
        groups, scores = np.frombuffer(value, "<u4", count, _HEAD.size), np.frombuffer(value, "<f4", count, middle)
        return Candidates(model_no, seq, groups.tolist(), scores.tolist())
    view = memoryview(value)
    return Candidates(model_no, seq, view[_HEAD.size : middle].cast("I"), view[middle:].cast("f"))
