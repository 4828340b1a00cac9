"""Locks between processes: files on one machine, and the number of every advisory lock in PostgreSQL."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# PostgreSQL knows advisory locks by one 64-bit number, or by two of 32 bits: these are all that Morsel takes.
SIGNING_KEYS = 0x4D4F52534B
SEEN_GENERATIONS = 7_301_000_001
LEADER = 7_301_000_003
ACCOUNTS = 7_301_000_004
# the first of two numbers; the second is what it is a lock of
IMPORT_SOURCE = 7_301
STATE_SHARD = 7_302
MERGES = 7_304
ENGAGEMENT = 7_305


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Hold a lock file; yields False when another process holds it. A process that ends lets go."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
