"""Takes the embedded Valkey away and brings it back: its process is frozen, which is worse than a crash.

A frozen process still accepts connections and never answers. Its owner sees it alive and does not start another one.
"""

import os
import signal
from pathlib import Path

from app.core.embedded.valkey import Valkey
from app.core.settings import Settings
from app.demo.state import folder

AWAY_AT_MOST_S = 300.0


def ours(settings: Settings) -> bool:
    """Tell whether the cache in use is the embedded one of this data folder; no other is ever touched."""
    return settings.redis_url in ("", Valkey(settings.data_dir).url)


def away(settings: Settings) -> bool:
    """Tell whether the process that runs now was frozen by us."""
    try:
        return _flag(settings).read_text() == str(Valkey(settings.data_dir).pid())
    except OSError:
        return False


def take_away(settings: Settings) -> bool:
    """Freeze the embedded Valkey; False when it is not ours or does not run."""
    pid = Valkey(settings.data_dir).pid() if ours(settings) else None
    if pid is None:
        return False
    _flag(settings).write_text(str(pid))
    os.kill(pid, signal.SIGSTOP)
    return True


def bring_back(settings: Settings) -> None:
    """Let a frozen Valkey go on; does nothing when none was frozen."""
    pid = Valkey(settings.data_dir).pid()
    if pid is not None and away(settings):
        os.kill(pid, signal.SIGCONT)
    _flag(settings).unlink(missing_ok=True)


def _flag(settings: Settings) -> Path:
    return folder(settings) / "cache-away"
