"""Rows of files as a source: each lands once a source, known by what the mapping takes from it."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from app.data.events import store
from app.data.events.domain import Event, Refused
from app.data.events.sources.base import Source
from app.data.imports.files import Row

# a shop's clock may be ahead of ours
_AHEAD = timedelta(days=1)


@dataclass(frozen=True)
class Window:
    """The moments that an import takes: from `not_before` on, and before `before`; both need an offset."""

    not_before: datetime | None = None
    before: datetime | None = None

    def fault(self, moment: datetime, now: datetime) -> str | None:
        """Say why a moment is outside."""
        if self.before is not None and moment >= self.before:
            return f"not before {self.before.isoformat()}"
        if self.not_before is not None and moment < self.not_before:
            return f"before {self.not_before.isoformat()}"
        return "in the future" if moment > now + _AHEAD else None


class Form(NamedTuple):
    """How the rows of an open file are read: the function of its columns, the moments taken, what makes ids the source's own, and now."""

    event: Callable[[Sequence[Any]], tuple[Event, bytes]] | None
    window: Window
    salt: bytes
    now: datetime


def read(row: Row, how: Form) -> list[Event]:
    """Return the one event of a row; its id is that of the first such row of the source. Raises Refused."""
    if row.fault is not None:
        raise Refused(row.fault)
    assert how.event is not None
    event, canonical = how.event(row.values)
    if fault := how.window.fault(event.occurred_at, how.now):
        raise Refused(fault)
    event.message_id = hashlib.blake2b(canonical, digest_size=16, key=how.salt).digest()
    return [event]


SOURCE = Source("files", read, store.claim_rows)
