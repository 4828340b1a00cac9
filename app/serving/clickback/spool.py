"""A bounded file of records that PostgreSQL does not have yet: one a process, appended to, emptied once all of it is written.

It outlives its process: the next one that starts, or a neighbour, finds the file unlocked and writes what is in it. Nothing is
synchronised to the disk, so a killed process loses nothing that it appended, a machine without power up to what the system held.
"""

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path

FOLDER = "spool"
_AT_ONCE = 1_000_000


class Spool:
    """The file of this process; every method may be called from another thread, one at a time. A line holds no line break."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most = most_bytes
        self._size = 0
        self._file = -1
        self.path = folder

    def append(self, lines: Sequence[bytes]) -> int:
        """Append the first lines that have room and return how many did; 0 on a disk that takes none."""
        count, room = 0, self._most - self._size
        for line in lines:
            room -= len(line) + 1
            if room < 0:
                break
            count += 1
        blob = b"".join(line + b"\n" for line in lines[:count])
        try:
            self._open()
            written = 0
            while written < len(blob):
                written += os.write(self._file, blob[written:])
        except OSError:
            # half a batch would stand before the next one without a line's end
            with contextlib.suppress(OSError):
                if self._file >= 0:
                    os.ftruncate(self._file, self._size)
            return 0
        self._size += len(blob)
        return count

    def read(self, offset: int) -> tuple[list[bytes], int]:
        """Return the next whole lines behind an offset, and the offset behind them; none at the end. Raises OSError."""
        return _lines(self._file, offset) if self._file >= 0 else ([], offset)

    def clear(self) -> None:
        """Forget everything; raises OSError."""
        if self._file >= 0 and self._size:
            os.ftruncate(self._file, 0)
            self._size = 0

    def left_behind(self) -> list["Left"]:
        """Return the files beside this one that no living process holds; each is held until it is closed."""
        return list(left_behind(self._folder))

    @property
    def size(self) -> int:
        """Bytes that are kept."""
        return self._size

    def close(self) -> None:
        """Let go of the file, and of its name when nothing is in it."""
        if self._file < 0:
            return
        if not self._size:
            self.path.unlink(missing_ok=True)
        os.close(self._file)
        self._file = -1

    def _open(self) -> None:
        if self._file < 0:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path = self._folder / f"{os.getpid()}-{secrets.token_hex(4)}.jsonl"
            file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if not _held(file):  # a neighbour took it for left behind before it was locked
                os.close(file)
                raise BlockingIOError("the file was taken")
            self._file = file


class Left:
    """A file that its process left behind, held until `close`."""

    def __init__(self, path: Path, file: int) -> None:
        self._path = path
        self._file = file

    def read(self, offset: int) -> tuple[list[bytes], int]:
        """Return the next whole lines behind an offset, and the offset behind them; a torn last line is no line."""
        return _lines(self._file, offset)

    def remove(self) -> None:
        """Delete the file: all of it was written."""
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let others have it."""
        os.close(self._file)


def left_behind(folder: Path) -> Iterator[Left]:
    """Yield the files that no living process holds; each is held until it is closed."""
    for path in sorted(folder.glob("*.jsonl")):
        try:
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue
        if _held(file):
            yield Left(path, file)
        else:
            os.close(file)


def _held(file: int) -> bool:
    """Lock a file; tell whether it is ours now and still has a name."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return bool(os.fstat(file).st_nlink)
    except OSError:
        return False


def _lines(file: int, offset: int) -> tuple[list[bytes], int]:
    piece = os.pread(file, _AT_ONCE, offset)
    while len(piece) == _AT_ONCE and b"\n" not in piece:
        # no line of ours is as long: what is damaged costs itself only
        offset += len(piece)
        piece = os.pread(file, _AT_ONCE, offset)
    end = piece.rfind(b"\n") + 1
    return piece[:end].split(b"\n")[:-1], offset + end
