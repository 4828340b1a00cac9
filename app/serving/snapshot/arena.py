"""Documents behind each other in a file that is mapped, so that they count as memory only while they are looked at."""

import mmap
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
_PIECE = 1 << 20


class Writing:
    """Takes documents; they lie in a file of `folder` that has no name, or in memory where none can be written."""

    def __init__(self, folder: Path | None) -> None:
        self._file: BinaryIO = BytesIO()
        if folder is not None:
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - lives as long as its mapping
            except OSError:
                self._file = BytesIO()

    def write(self, documents: bytes) -> None:
        """Append documents."""
        start = self._file.tell()
        try:
            self._file.write(documents)
        except OSError:
            if isinstance(self._file, BytesIO):
                raise
            # the disk is full: what it holds so far goes on in memory
            self._file.seek(0)
            self._file = BytesIO(self._file.read(start))
            self._file.seek(start)
            self._file.write(documents)

    def done(self) -> Bytes:
        """Return all documents; nothing can be written any more."""
        if isinstance(self._file, BytesIO):
            return np.frombuffer(self._file.getbuffer(), np.uint8)
        self._file.flush()
        return mapped(self._file)


def mapped(file: BinaryIO) -> Bytes:
    """Map a file; the array lives on when the file is closed, and when its name is gone."""
    if not file.seek(0, 2):
        return np.zeros(0, np.uint8)
    return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)


def is_mapped(documents: Bytes) -> bool:
    """Tell whether documents lie in a mapped file."""
    return _mapping(documents) is not None


def pieces(documents: Bytes) -> Any:
    """Yield documents in pieces of up to 1 MB, and let the memory of each go again."""
    mapping = _mapping(documents)
    for start in range(0, len(documents), _PIECE):
        yield documents[start : start + _PIECE].tobytes()
        if mapping is not None and hasattr(mmap, "MADV_DONTNEED"):
            mapping.madvise(mmap.MADV_DONTNEED, start, min(_PIECE, len(documents) - start))


def _mapping(documents: Bytes) -> mmap.mmap | None:
    below: Any = documents
    while below is not None and not isinstance(below, mmap.mmap):
        below = below.obj if isinstance(below, memoryview) else getattr(below, "base", None)
    return below
