"""`morsel import items`: feeds, streamed in chunks, each bad row told with its line and reason."""

import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from app.core import changes
from app.core.db import Database
from app.core.settings import Settings
from app.data.catalogue import store
from app.data.catalogue.assumed import Assumed
from app.data.catalogue.domain import NOT_JSON, Item, ItemRefused, read_item
from app.data.catalogue.feed_files import FeedRow, feed, nearest_id
from app.data.imports import runs
from app.data.imports.files import FileFault
from app.data.imports.readahead import Stretches, ahead
from app.data.imports.report import Progress, Report

CHUNK_ROWS = 1_000
LARGEST_ABSENCE = 0.2
_LONGEST_VALUE = 60
NOTHING = "no items found: the files have no rows"
OTHERS_REFUSED = "other rows were refused, and the import was strict"


@dataclass
class _Chunk:
    """A stretch of a feed: the items found, and the refused rows: line, reason, and the value that the reason speaks of."""

    rows: int = 0
    position: int = 0
    items: list[Item] = field(default_factory=list)
    refused: list[tuple[int, str, str]] = field(default_factory=list)
    warnings: Counter[str] = field(default_factory=Counter)


@dataclass
class _Ids:
    """Hashes of the ids of an import: all that were met (a refused row's item is not missing), and those that landed."""

    met: set[int] = field(default_factory=set)
    taken: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class _Feed:
    """What is the same for all files of an import."""

    paths: Sequence[Path]
    format: str | None
    columns: Mapping[str, str]
    encoding: str
    delimiter: str | None
    assumed: Assumed
    max_bytes: int
    progress: Callable[[Progress], None] | None


# long: the stages of one import share its counts
async def import_items(
    db: Database,
    settings: Settings,
    tenant: int,
    paths: Sequence[Path],
    *,
    format: str | None = None,
    columns: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
    delimiter: str | None = None,
    assumed: Assumed = Assumed(),
    strict: bool = False,
    full: bool = False,
    force: bool = False,
    progress: Callable[[Progress], None] | None = None,
    report: Report | None = None,
) -> Report:
    """Import feeds and return the report, the one given if there is one.

    With `strict` nothing lands when any row is refused. With `full` items that no file names become absent, unless that
    would take out more than a fifth of the catalogue and `force` is not given: then `report.fault` says so, as it does when nothing
    landed. Raises FileFault when a file cannot be read; what landed before stays, unless `strict`.
    """
    began = time.monotonic()
    report = report or Report()
    report.run_no = run = await runs.begin(db, tenant, "items", ", ".join(path.name for path in paths))
    source = _Feed(paths, format, columns or {}, encoding, delimiter, assumed, settings.max_item_bytes, progress)
    try:
        ids = _Ids()
        before = len(await store.present(db, tenant)) if full else 0
        if not strict or await _without_fault(source, report):
            await _land(db, tenant, source, report, ids, whole=strict)
            if full:
                await _take_out_missing(db, tenant, report, ids.met, before, force=force)
        if not report.landed and not report.absent:
            report.fault = report.fault or (
                f"nothing landed: {report.refused} of {report.read} rows were refused" if report.read else NOTHING
            )
    except FileFault as fault:
        report.fault = str(fault)
        raise
    finally:
        report.seconds = time.monotonic() - began
        await runs.finish(db, tenant, run, report)
    return report


async def _without_fault(source: _Feed, report: Report) -> bool:
    """Read everything once without storing; a report with refusals means that nothing may land."""
    trial = Report(on_refused=report.on_refused)
    async with aclosing(_chunks(source, _Ids(), trial)) as chunks:
        async for name, chunk in chunks:
            trial.read += chunk.rows
            for line, reason, value in chunk.refused:
                trial.refuse(name, line, reason, value)
    if not trial.refused:
        return True
    report.read, report.refused, report.reasons, report.examples = trial.read, trial.read, trial.reasons, trial.examples
    report.reasons[OTHERS_REFUSED] += trial.read - trial.refused
    return False


async def _land(db: Database, tenant: int, source: _Feed, report: Report, ids: _Ids, *, whole: bool) -> None:
    """Store the items: in one transaction if `whole`, else one a chunk."""
    bytes_all = sum(path.stat().st_size for path in source.paths if path.exists())
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(db.begin()) if whole else None
        chunks = await stack.enter_async_context(aclosing(_chunks(source, ids, report)))
        async for name, chunk in chunks:
            if one is not None:
                written = await store.write(one, tenant, chunk.items)
            else:
                async with db.begin() as connection:
                    written = await store.write(connection, tenant, chunk.items)
                    await _tell(connection, tenant, written)
            report.read += chunk.rows
            report.landed += len(chunk.items)
            report.unchanged += written.same
            for line, reason, value in chunk.refused:
                report.refuse(name, line, reason, value)
            report.warnings.update(chunk.warnings)
            if source.progress:
                source.progress(Progress(report.read, chunk.position, bytes_all))
        if one is not None:
            await changes.bump(one, tenant, "catalogue")


async def _tell(connection: AsyncConnection, tenant: int, written: store.Written) -> None:
    if written.new or written.changed:
        await changes.bump(connection, tenant, "catalogue")


async def _take_out_missing(db: Database, tenant: int, report: Report, met: set[int], before: int, *, force: bool) -> None:
    missing = [number for number, item_id in await store.present(db, tenant) if hash(item_id) not in met]
    if before and len(missing) > LARGEST_ABSENCE * before and not force:
        report.fault = f"{len(missing)} of {before} items are not in the feed: more than a fifth is taken out only by force"
        return
    if missing:
        async with db.begin() as connection:
            await store.take_out_many(connection, tenant, missing)
            await changes.bump(connection, tenant, "catalogue")
    report.absent = len(missing)


async def _chunks(source: _Feed, ids: _Ids, report: Report) -> AsyncGenerator[tuple[str, _Chunk], None]:
    done = 0
    for path in source.paths:
        kind = source.format or "auto"
        with feed(path, kind, columns=source.columns, encoding=source.encoding, delimiter=source.delimiter) as opened:
            read = partial(_chunk, Stretches(opened.rows), ids, source.assumed, source.max_bytes)
            for note in opened.notes:
                if (told := f"{path.name}: {note}") not in report.assumed:
                    report.assumed.append(told)
            async with aclosing(ahead(read)) as chunks:
                async for chunk in chunks:
                    chunk.position = done + opened.opened.position()
                    yield path.name, chunk
        done += path.stat().st_size


def _chunk(rows: Stretches[FeedRow], ids: _Ids, assumed: Assumed, max_bytes: int) -> _Chunk | None:
    chunk, met = _Chunk(), False
    for row in rows.take(CHUNK_ROWS):
        met = True
        if row.passed:
            chunk.warnings[row.passed] += 1
            continue
        chunk.rows += 1
        try:
            if row.fault is not None:
                raise ItemRefused(row.fault)
            known = hash(str(row.document.get("id") or "").strip())
            ids.met.add(known)
            item = read_item(assumed.settle(row.document), max_bytes=max_bytes)
            if known in ids.taken:
                raise ItemRefused("the id was in an earlier row")
            ids.taken.add(known)
            chunk.items.append(item)
            chunk.warnings.update(item.notes)
        except ItemRefused as reason:
            chunk.refused.append((row.line, _reason(reason, row.document), _value(reason, row.document)))
    return chunk if met else None


def _reason(reason: ItemRefused, document: Mapping[str, object]) -> str:
    if str(reason) == NOT_JSON:
        return f"{reason}; if the file is in another encoding, say it: --encoding cp1252"
    near = nearest_id(list(document)) if str(reason) == "id is missing" else ""
    return f"id is missing: the row has {near}; use --column {near}=id" if near else str(reason)


def _value(reason: ItemRefused, document: Mapping[str, object]) -> str:
    """Return what stands in the field that the reason begins with, cut; empty where it begins with none."""
    field = str(reason).partition(" ")[0].rstrip(":")
    found = str(document.get(field) or "").encode(errors="replace").decode()
    return found if len(found) <= _LONGEST_VALUE else found[:_LONGEST_VALUE] + "..."
