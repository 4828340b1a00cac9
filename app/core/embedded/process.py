"""What the two embedded servers share: finding an earlier process, waiting, stopping, and short socket folders."""

import hashlib
import os
import signal
import stat
import tempfile
import time
from collections.abc import Callable
from pathlib import Path


class CannotStart(RuntimeError):
    """An embedded server did not start; the message says what to do."""


def is_running(pid: int, needle: str) -> bool:
    """Tell whether a process with this number runs and has `needle` in its command line.

    A number alone is not enough: after a crash it may belong to a stranger.
    """
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except FileNotFoundError:
        if Path("/proc").is_dir():
            return False
        try:
            os.kill(pid, 0)
        except OSError:
            return False
        return True
    return needle in command


def wait_until(ready: Callable[[], bool], seconds: float) -> bool:
    """Poll `ready` until it holds or the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if ready():
            return True
        time.sleep(0.02)
    return ready()


def stop(pid: int, needle: str, first: signal.Signals, seconds: float = 10) -> None:
    """Ask a process to end, and kill it when it does not within `seconds`."""
    for number, patience in ((first, seconds), (signal.SIGKILL, 5.0)):
        if not is_running(pid, needle):
            return
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        reap(pid)
        if wait_until(lambda: reap(pid) or not is_running(pid, needle), patience):
            return


def reap(pid: int) -> bool:
    """Collect the exit of a child; False when it still runs or is not ours."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return False


def socket_folder(data: Path) -> Path:
    """Return a private folder for unix sockets; a socket's path may hold 107 bytes, so deep folders get one elsewhere."""
    folder = data / "run"
    if len(os.fsencode(folder)) > 80:
        digest = hashlib.sha256(os.fsencode(data)).hexdigest()[:12]
        base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
        folder = base / f"morsel-{os.getuid()}-{digest}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    state = folder.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid() or state.st_mode & 0o077:
        raise CannotStart(f"{folder} must be a folder of this user with mode 0700; remove it or set MORSEL_DATA_DIR")
    return folder
