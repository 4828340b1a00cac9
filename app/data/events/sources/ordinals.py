"""Counts how often each row of a file was met, in about 40 bytes a row."""

import numpy as np
from numpy.typing import NDArray

_FIRST_SLOTS = 1 << 16


class Ordinals:
    """Gives each row hash its ordinal among the equal ones before it: 0 for the first.

    An open-addressed table (linear probing) of 64-bit keys, filled a chunk at a time; a Python dictionary needs three
    times the memory.
    """

    def __init__(self) -> None:
        self._keys: NDArray[np.uint64] = np.zeros(_FIRST_SLOTS, np.uint64)
        self._counts: NDArray[np.uint32] = np.zeros(_FIRST_SLOTS, np.uint32)
        self._used = 0

    def of(self, hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the ordinal of each of these rows and remember them."""
        hashes = np.maximum(hashes, np.uint64(1))  # 0 marks a free slot
        keys, inverse, counts = np.unique(hashes, return_inverse=True, return_counts=True)
        while (self._used + len(keys)) * 2 > len(self._keys):
            self._grow()
        slots = self._slots(keys)
        before = self._counts[slots].astype(np.int64)
        self._counts[slots] += counts.astype(np.uint32)
        order = np.argsort(inverse, kind="stable")
        starts = np.concatenate(([0], np.cumsum(counts)[:-1]))
        rank = np.empty(len(hashes), np.int64)
        rank[order] = np.arange(len(hashes)) - np.repeat(starts, counts)
        return before[inverse] + rank

    def _slots(self, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Find or take the slot of each of these distinct keys."""
        mask = np.uint64(len(self._keys) - 1)
        at = (keys & mask).astype(np.int64)
        open_ = np.arange(len(keys))
        while len(open_):
            here = at[open_]
            free = open_[self._keys[here] == 0]
            # of several keys that meet at one free slot the last write stays; the others see it and go on
            self._keys[at[free]] = keys[free]
            open_ = open_[self._keys[here] != keys[open_]]
            at[open_] = (at[open_] + 1) & int(mask)
        self._used += int((self._counts[at] == 0).sum())
        return at

    def _grow(self) -> None:
        keys, counts = self._keys[self._keys != 0], self._counts[self._keys != 0]
        self._keys = np.zeros(len(self._keys) * 2, np.uint64)
        self._counts = np.zeros(len(self._counts) * 2, np.uint32)
        self._used = 0
        self._counts[self._slots(keys)] = counts
