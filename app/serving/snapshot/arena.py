"""Documents of all items behind each other, in a file that is read where somebody looks, so that they take no memory of the process."""

import os
import tempfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

_PIECE = 1 << 20


class Documents:
    """Bytes in an open file, whose name may be gone, or in memory."""

    def __init__(self, source: BinaryIO | memoryview) -> None:
        self._source = source
        self._size = len(source) if isinstance(source, memoryview) else os.fstat(source.fileno()).st_size

    @property
    def in_file(self) -> bool:
        """Tell whether the documents lie in a file."""
        return not isinstance(self._source, memoryview)

    def __len__(self) -> int:
        return self._size

    def between(self, start: int, stop: int) -> bytes:
        """Return the bytes from `start` to `stop`; raises OSError when the disk fails."""
        if isinstance(self._source, memoryview):
            return self._source[start:stop].tobytes()
        return os.pread(self._source.fileno(), stop - start, start)

    def pieces(self) -> Iterator[bytes]:
        """Yield all documents in pieces of up to 1 MB."""
        for start in range(0, self._size, _PIECE):
            yield self.between(start, min(self._size, start + _PIECE))


class Writing:
    """Takes documents; they lie in a file of `folder` that has no name, or in memory where none can be written."""

    def __init__(self, folder: Path | None) -> None:
        self._file: BinaryIO = BytesIO()
        if folder is not None:
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                # without a buffer, which would say only later that the disk is full
                self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - stays open
            except OSError:
                self._file = BytesIO()

    def write(self, documents: bytes) -> None:
        """Append documents."""
        start = self._file.tell()
        try:
            whole = self._file.write(documents) == len(documents)
        except OSError:
            whole = False
        if not whole:
            # the disk is full: what it holds so far goes on in memory
            self._file.seek(0)
            self._file = BytesIO(self._file.read(start))
            self._file.seek(start)
            self._file.write(documents)

    def done(self) -> Documents:
        """Return all documents; nothing can be written any more."""
        if isinstance(self._file, BytesIO):
            return Documents(self._file.getbuffer())
        return Documents(self._file)


def opened(path: Path) -> Documents:
    """Return the documents of a file; raises OSError."""
    return Documents(path.open("rb"))
