"""`morsel import events`: files of events, streamed in chunks, each row landing at most once however often it is sent."""

import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np

from app.core.db import Database
from app.core.settings import Settings
from app.core.telemetry import EVENTS_ACCEPTED
from app.data import files, runs
from app.data.chunks import Stretches, ahead
from app.data.events import store
from app.data.events.domain import Event
from app.data.events.mapping import Mapping
from app.data.events.ordinals import Ordinals
from app.data.events.rows import RowRefused, compiled
from app.data.events.service import accept
from app.data.files import FileFault, Opened, Row
from app.data.parquet import parquet
from app.data.partitions import ensure_partitions
from app.data.people.keys import DataKeys
from app.data.reports import Progress, Report

CHUNK_ROWS = 20_000
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


@dataclass
class _Chunk:
    """A stretch of a file, read: the events found, their lines and ordinals, and the refused rows."""

    rows: int = 0
    position: int = 0
    events: list[Event] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    ordinals: Sequence[int] = ()
    refused: list[tuple[int, str]] = field(default_factory=list)


async def import_events(
    db: Database,
    settings: Settings,
    tenant: int,
    source: str,
    paths: Sequence[Path],
    mapping: Mapping,
    *,
    window: Window = Window(),
    format: str | None = None,
    progress: Callable[[Progress], None] | None = None,
    chunk_rows: int = CHUNK_ROWS,
) -> Report:
    """Import files into one source and return the report.

    A row is known by what the mapping takes from it and its ordinal among equal rows of its file, so a second import, an
    overlap between files and a restart after a kill land nothing twice. Raises FileFault when a file cannot be read or
    another import of the source is running; what landed before stays.
    """
    began = time.monotonic()
    report = Report()
    await ensure_partitions(db)
    source_no = await store.source(db, tenant, source)
    run = await runs.begin(db, tenant, "events", ", ".join(path.name for path in paths), source_no)
    bytes_all, bytes_before = sum(_size(path) for path in paths), 0
    job = _Import(db, DataKeys(settings), tenant, source_no, report, settings.person_ids)
    try:
        async with store.only_import(db, source_no) as free:
            if not free:
                raise FileFault(f"another import of the source {source} is running")
            for path in paths:
                with _opened(path, mapping, format) as opened:
                    reader = _Reader(opened, mapping, window, source_no, strict=_kind(path, format) != "jsonl")
                    async with aclosing(ahead(partial(reader.chunk, chunk_rows))) as chunks:
                        async for chunk in chunks:
                            await job.land(path.name, chunk)
                            if progress:
                                progress(Progress(report.read, bytes_before + chunk.position, bytes_all))
                bytes_before += _size(path)
    except FileFault as fault:
        report.fault = str(fault)
        raise
    finally:
        report.seconds = time.monotonic() - began
        await runs.finish(db, tenant, run, report)
    return report


@dataclass
class _Import:
    db: Database
    keys: DataKeys
    tenant: int
    source_no: int
    report: Report
    most_ids: int

    async def land(self, file: str, chunk: _Chunk) -> None:
        """Store a chunk in one transaction and count what became of its rows."""
        async with self.db.begin() as connection:
            outcome = await accept(
                connection,
                self.tenant,
                chunk.events,
                keys=self.keys,
                claim=lambda ids: store.claim_rows(connection, self.tenant, self.source_no, ids),
                source_no=self.source_no,
                most_ids=self.most_ids,
            )
        report = self.report
        report.read += chunk.rows
        report.landed += len(outcome.landed)
        report.duplicate += len(outcome.duplicates)
        report.repeated += sum(1 for position in outcome.landed if chunk.ordinals[position])
        report.unknown_items.update(outcome.unknown_items)
        for line, reason in chunk.refused:
            report.refuse(file, line, reason)
        for position in outcome.no_consent:
            report.refuse(file, chunk.lines[position], "the person withdrew consent")
        EVENTS_ACCEPTED.labels("import").inc(len(outcome.landed))


class _Reader:
    """Turns rows of one open file into chunks of events."""

    def __init__(self, opened: Opened, mapping: Mapping, window: Window, source_no: int, *, strict: bool) -> None:
        self._opened = opened
        self._window = window
        self._rows = Stretches(opened.rows)
        self._event = compiled(mapping, opened.columns, strict_columns=strict) if opened.columns else None
        self._salt = source_no.to_bytes(4, "little")
        self._met = Ordinals()

    def chunk(self, rows: int) -> _Chunk | None:
        """Read the next chunk; None at the end. Runs in a thread, beside the storing of the chunk before."""
        chunk, hashes, now = _Chunk(), [], datetime.now(UTC)
        for row in self._rows.take(rows):
            chunk.rows += 1
            try:
                event, canonical = self._read(row, now)
            except RowRefused as reason:
                chunk.refused.append((row.line, str(reason)))
                continue
            hashes.append(hashlib.blake2b(canonical, digest_size=16, key=self._salt).digest())
            chunk.events.append(event)
            chunk.lines.append(row.line)
        if not chunk.rows:
            return None
        chunk.position = self._opened.position()
        if hashes:
            short = np.frombuffer(b"".join(hashes), np.uint64)[::2]
            chunk.ordinals = self._met.of(short).tolist()
            for event, digest, ordinal in zip(chunk.events, hashes, chunk.ordinals, strict=True):
                event.message_id = digest if not ordinal else hashlib.blake2b(b"%b%d" % (digest, ordinal), digest_size=16).digest()
        return chunk

    def _read(self, row: Row, now: datetime) -> tuple[Event, bytes]:
        if row.fault is not None:
            raise RowRefused(row.fault)
        assert self._event is not None
        event, canonical = self._event(row.values)
        if fault := self._window.fault(event.occurred_at, now):
            raise RowRefused(fault)
        return event, canonical


def _opened(path: Path, mapping: Mapping, format: str | None) -> AbstractContextManager[Opened]:
    kind = _kind(path, format)
    if kind == "parquet":
        return parquet(path, mapping.wanted())
    if kind == "jsonl":
        return files.json_rows(path, mapping.wanted())
    if kind in ("csv", "tsv"):
        return files.table(path, delimiter="\t" if kind == "tsv" else mapping.delimiter, encoding=mapping.encoding)
    raise FileFault(f"{path.name}: events cannot be read from {kind}")


def _kind(path: Path, format: str | None) -> str:
    return format or files.kind_of(path)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise FileFault(f"{path.name}: cannot be read ({error.strerror})") from None
