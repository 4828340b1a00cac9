"""The files in which processes share their series, with room taken before it is written to: a page that a full disk cannot give is a
bus error, which ends the process."""

import mmap
import os
import struct
from typing import Any

from prometheus_client import mmap_dict, values
from prometheus_client.mmap_dict import MmapedDict

from app.core.logging import log

_FRONT = 8


class ReservedDict(MmapedDict):
    """A file of series whose blocks are there; where the disk has none, the series stay in memory, and only this process knows them."""

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        if read_mode:
            super().__init__(filename, read_mode=True)  # type: ignore[no-untyped-call]
            return
        try:
            _reserve(filename)
            super().__init__(filename)  # type: ignore[no-untyped-call]
        except OSError as error:
            log.error("telemetry.no_room", error=type(error).__name__, file=os.path.basename(filename))
            self._fname = filename
            self._f = None  # type: ignore[assignment]
            self._positions: dict[str, int] = {}
            self._alone(mmap_dict._INITIAL_MMAP_SIZE, b"")
            self._used = _FRONT
            self._m[:_FRONT] = struct.pack("ii", self._used, 0)

    def _alone(self, capacity: int, known: bytes) -> None:
        self._m: Any = mmap.mmap(-1, capacity)
        self._m[: len(known)] = known
        self._capacity = capacity

    def _init_value(self, key: str) -> None:
        wanted = self._used + len(key.encode()) + 32
        capacity = self._capacity
        while capacity < wanted:
            capacity *= 2
        if capacity > self._capacity:
            self._grow(capacity)
        super()._init_value(key)  # type: ignore[no-untyped-call]

    def _grow(self, capacity: int) -> None:
        if self._f is not None:
            try:
                os.posix_fallocate(self._f.fileno(), 0, capacity)
                self._m = mmap.mmap(self._f.fileno(), capacity)
                self._capacity = capacity
                return
            except OSError as error:
                log.error("telemetry.no_room", error=type(error).__name__, file=os.path.basename(self._fname))
                self._f.truncate(self._capacity)
                self._f.close()
                self._f = None  # type: ignore[assignment]
        self._alone(capacity, bytes(self._m))

    def close(self) -> None:
        """Let go of the file, or of the memory."""
        if self._f is None and self._m is not None:
            self._m.close()
            self._m = None
        super().close()  # type: ignore[no-untyped-call]


def _reserve(filename: str) -> None:
    """Make a file whose blocks are there, also those of one that was made before; raises OSError, and leaves no empty one."""
    with open(filename, "a+b") as file:
        size = os.fstat(file.fileno()).st_size
        try:
            os.posix_fallocate(file.fileno(), 0, size or mmap_dict._INITIAL_MMAP_SIZE)
        except OSError:
            if not size:
                os.unlink(filename)
            raise


def use() -> None:
    """Let series be kept so from now on."""
    values.MmapedDict = ReservedDict  # type: ignore[attr-defined]
