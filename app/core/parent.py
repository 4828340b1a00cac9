"""A child that ends when its parent is gone, however that ended: nobody else would stop it, and it would keep the port."""

import os
import signal
import threading
import time

NAME = "MORSEL_PARENT"
_LOOK_S = 0.25
_GRACE_S = 10.0


def announce() -> None:
    """Let the processes that are started from now on know whose children they are."""
    os.environ[NAME] = str(os.getpid())


def end_with_parent() -> None:
    """Watch the parent that announced itself, if one did; once it is gone, end in order, and by force when that takes too long."""
    expected = os.environ.get(NAME, "")
    if not expected.isdigit() or int(expected) == os.getpid():
        return
    if os.getppid() == int(expected) or not _lives(int(expected)):
        threading.Thread(target=_watch, args=(int(expected),), name="parent", daemon=True).start()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)
    return True


def _watch(expected: int) -> None:
    while os.getppid() == expected:
        time.sleep(_LOOK_S)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_S)
    os.kill(os.getpid(), signal.SIGKILL)
