"""Server processes load their modules while the database is still being prepared; at this gate they wait until it is."""

import fcntl
import os
import sys
from pathlib import Path
from typing import Any

_VARIABLE = "MORSEL_GATE"
_OPEN = b"open"


class Gate:
    """Held shut by the parent with a lock on a file, which goes with it however it ends; the file says whether one may pass."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = folder / f"gate-{os.getpid()}"
        self._path.unlink(missing_ok=True)
        self._file = self._path.open("xb", buffering=0)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        os.environ[_VARIABLE] = str(self._path)

    def open(self) -> None:
        """Let everybody pass, those to come as well."""
        self._file.write(_OPEN)
        self._file.close()

    def refuse(self) -> None:
        """Let nobody pass: who waits, ends."""
        self._file.close()

    def remove(self) -> None:
        """Take the gate away once no process can come to it any more."""
        self._file.close()
        self._path.unlink(missing_ok=True)
        os.environ.pop(_VARIABLE, None)


def passed() -> bool:
    """Wait until the parent says whether this process may go on; tell what it said."""
    try:
        with Path(os.environ[_VARIABLE]).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            return file.read() == _OPEN
    except (KeyError, OSError):
        return False


def application() -> Any:
    """Return the server's application once the parent has prepared what it needs; the process ends when it could not."""
    from app.main import create_app

    if not passed():
        sys.exit(1)
    return create_app()
