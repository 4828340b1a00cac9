"""The value Redis keeps of what somebody was shown, for rules against repeats: 8 bytes for each item of an answer, appended.

Little-endian: group number u32, unix minute u32. Appending needs no look at what is there, so two servers lose nothing of each other.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_ENTRY = np.dtype([("group", "<u4"), ("minute", "<u4")])
_MINUTE = 60
MOST_BYTES = 4_096
"""From so many bytes on the value is written anew, with its newest half."""


class Shown(NamedTuple):
    """What was shown, oldest first: group numbers and unix minutes."""

    groups: NDArray[np.uint32]
    minutes: NDArray[np.uint32]


def pack(groups: Iterable[int], now: float) -> bytes:
    """Encode what an answer shows at a unix moment."""
    return np.array([(group, int(now) // _MINUTE) for group in groups], _ENTRY).tobytes()


def unpack(value: bytes | None) -> Shown:
    """Decode what was shown; what is no whole entry is left out."""
    raw = value or b""
    found = np.frombuffer(raw, _ENTRY, len(raw) // _ENTRY.itemsize)
    return Shown(found["group"], found["minute"])


def newest(value: bytes) -> bytes:
    """Return the newest half of a value."""
    whole = len(value) // _ENTRY.itemsize * _ENTRY.itemsize
    return value[:whole][-(MOST_BYTES // 2) :]
