"""`morsel import events`: files of events, streamed in chunks, each row landing at most once however often it is sent."""

import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np

from app.core.db import Database
from app.core.partitions import ensure_partitions
from app.core.settings import Settings
from app.core.telemetry import EVENT_FLAWS, EVENTS_ACCEPTED
from app.data.events import store
from app.data.events.domain import Event, Refused
from app.data.events.formats.mapping import Mapping, alternatives
from app.data.events.formats.rows import compiled, lacking
from app.data.events.sources import file_rows
from app.data.events.sources.file_rows import Form
from app.data.events.sources.file_rows import Window as Window
from app.data.events.sources.opening import opened
from app.data.events.sources.ordinals import Ordinals
from app.data.identity.purposes import Defaults
from app.data.identity.vault import DataKeys
from app.data.imports import files, runs
from app.data.imports.files import FileFault, Opened
from app.data.imports.parquet import parquet
from app.data.imports.readahead import Stretches, ahead
from app.data.imports.report import Progress, Report

CHUNK_ROWS = 20_000


@dataclass
class _Chunk:
    """A stretch of a file, read: the events found, their lines and ordinals, and the refused rows."""

    rows: int = 0
    position: int = 0
    events: list[Event] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    ordinals: Sequence[int] = ()
    refused: list[tuple[int, str]] = field(default_factory=list)


# long: the stages of one import share its counts
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
    report: Report | None = None,
) -> Report:
    """Import files into one source and return the report, the one given if there is one.

    A row is known by what the mapping takes from it and its ordinal among equal rows of its file, so a second import, an
    overlap between files and a restart after a kill land nothing twice. Raises FileFault when a file cannot be read or
    another import of the source is running; what landed before stays.
    """
    began = time.monotonic()
    report = report or Report()
    await ensure_partitions(db)
    source_no = await store.source(db, tenant, source)
    report.run_no = run = await runs.begin(db, tenant, "events", ", ".join(path.name for path in paths), source_no)
    bytes_all, bytes_before = sum(_size(path) for path in paths), 0
    job = _Import(db, DataKeys(settings), tenant, source_no, report, settings.person_ids, Defaults.of(settings))
    try:
        async with store.only_import(db, source_no) as free:
            if not free:
                raise FileFault(f"another import of the source {source} is running")
            for path in paths:
                with _opened(path, mapping, kind_of(path, format)) as rows:
                    report.assumed += [f"{path.name}: {note}" for note in rows.notes]
                    reader = _Reader(rows, mapping, window, source_no, strict=kind_of(path, format) != "jsonl")
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
    defaults: Defaults

    async def land(self, file: str, chunk: _Chunk) -> None:
        """Store a chunk in one transaction and count what became of its rows."""
        async with self.db.begin() as connection:
            outcome = await file_rows.SOURCE.store(
                connection,
                self.tenant,
                chunk.events,
                keys=self.keys,
                source_no=self.source_no,
                most_ids=self.most_ids,
                defaults=self.defaults,
            )
        report = self.report
        report.read += chunk.rows
        report.landed += len(outcome.landed)
        report.duplicate += len(outcome.duplicates)
        report.repeated += sum(1 for position in outcome.landed if chunk.ordinals[position])
        report.unknown_items.update(outcome.unknown_items)
        for position in outcome.landed:
            for flaw in chunk.events[position].flaws:
                report.warnings[flaw.text] += 1
                EVENT_FLAWS.labels("import", flaw.what).inc()
        for line, reason in chunk.refused:
            report.refuse(file, line, reason)
        for position in outcome.no_consent:
            report.refuse(file, chunk.lines[position], "the person withdrew consent")
        EVENTS_ACCEPTED.labels("import").inc(len(outcome.landed))


class _Reader:
    """Turns rows of one open file into chunks of events."""

    def __init__(self, opened: Opened, mapping: Mapping, window: Window, source_no: int, *, strict: bool) -> None:
        self._opened = opened
        self._mapping: Mapping | None = mapping
        self._window = window
        self._rows = Stretches(opened.rows)
        self._event = compiled(mapping, opened.columns, strict_columns=strict) if opened.columns else None
        self._salt = source_no.to_bytes(4, "little")
        self._met = Ordinals()

    def chunk(self, rows: int) -> _Chunk | None:
        """Read the next chunk; None at the end. Runs in a thread, beside the storing of the chunk before."""
        chunk, form = _Chunk(), Form(self._event, self._window, self._salt, datetime.now(UTC))
        # row by row into flat lists: a list a row, kept for a chunk, would cost the collector more than the reading
        for row in self._rows.take(rows):
            chunk.rows += 1
            try:
                chunk.events += file_rows.SOURCE.read(row, form)
            except Refused as reason:
                chunk.refused.append((row.line, str(reason)))
                continue
            chunk.lines.append(row.line)
        if not chunk.rows:
            return None
        chunk.position = self._opened.position()
        self._check(chunk)
        if chunk.events:
            short = np.frombuffer(b"".join(event.message_id for event in chunk.events), np.uint64)[::2]
            chunk.ordinals = self._met.of(short).tolist()
            for event, ordinal in zip(chunk.events, chunk.ordinals, strict=True):
                if ordinal:
                    event.message_id = hashlib.blake2b(b"%b%d" % (event.message_id, ordinal), digest_size=16).digest()
        return chunk

    def _check(self, chunk: _Chunk) -> None:
        """Refuse a file of JSON lines that lacks a column, before anything of it landed; raises FileFault."""
        mapping, self._mapping = self._mapping, None
        unmet = self._opened.unmet
        if mapping is None or not unmet or not self._opened.keys:
            return
        wanted: list[tuple[str, list[str]]] = [
            (field, alternatives(names)) for field, names in mapping.columns.items() if field not in mapping.constants
        ]
        wanted += [(f"the rule {rule.reason!r}", alternatives(rule.column)) for rule in mapping.refuse if rule.column is not None]
        for what, names in wanted:
            if unmet.issuperset(names):
                raise FileFault(f"{lacking(names, what, self._opened.keys)} (looked at {chunk.rows} rows)")


def _opened(path: Path, mapping: Mapping, kind: str) -> AbstractContextManager[Opened]:
    return parquet(path, mapping.wanted()) if kind == "parquet" else opened(path, mapping, kind)


def kind_of(path: Path, format: str | None) -> str:
    """Return the format given, else the one that the name tells; raises FileFault."""
    return format or files.kind_of(path)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise FileFault(f"{path.name}: cannot be read ({error.strerror})") from None
