"""The worker's half: imports what waits, says how far it is, keeps the refused rows, and deletes the file."""

import asyncio
from collections import Counter
from contextlib import suppress
from pathlib import Path

from app.core.db import Database
from app.core.logging import log
from app.core.settings import Settings
from app.core.texts import readable
from app.data.catalogue.importing import import_items
from app.data.events.sources.files import import_events
from app.data.imports.files import FileFault
from app.data.imports.report import Progress, Refused, Report
from app.data.uploads import folder, sampling, service, store
from app.data.uploads.domain import BadOptions
from app.data.uploads.store import Upload

MOST_REFUSED = 20_000
_MOST_TRIES = 3
_TELL_S = 0.5


class _Run:
    """One import: what it told last, and which rows it refused."""

    def __init__(self, upload: Upload) -> None:
        self.upload = upload
        self.refused: dict[int, str] = {}
        self.report = Report(on_refused=self._refuse)
        self.last = Progress(0, 0, 0)

    def _refuse(self, one: Refused) -> None:
        if len(self.refused) < MOST_REFUSED:
            self.refused.setdefault(one.line, one.reason)

    def move(self, step: Progress) -> None:
        """Note how far it is."""
        self.last = step

    async def tell(self, db: Database) -> None:
        """Write down how far it is, again and again."""
        while True:
            await asyncio.sleep(_TELL_S)
            await store.progress(
                db, self.upload.tenant, self.upload.upload_no, self.last.rows, self.last.bytes_done, self.report.run_no or None
            )


async def run_next(db: Database, settings: Settings) -> bool:
    """Import the upload whose turn it is; False when none waits. One that was broken off begins again: what landed, lands once."""
    upload = await store.next_waiting(db)
    if upload is None:
        return False
    run = _Run(upload)
    path = folder.folder(settings, upload.tenant, upload.upload_no) / upload.file_name
    fault = "" if path.is_file() else service.ELSEWHERE
    if upload.tries > _MOST_TRIES:
        fault = "The import was broken off three times: the log of the worker says why. Try the command line."
    telling = asyncio.create_task(run.tell(db))
    try:
        if not fault:
            await _imported(db, settings, run, path)
            fault = run.report.fault
    except (FileFault, BadOptions) as reason:
        fault = str(reason)
    finally:
        telling.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await telling
    kept = await asyncio.to_thread(_keep_refused, path, run) if run.refused and path.is_file() else 0
    report = run.report
    await store.finish(
        db, upload.tenant, upload.upload_no, "failed" if fault else "done", readable(fault), report.read, report.run_no or None, kept
    )
    path.unlink(missing_ok=True)
    log.info("import.done", what=upload.what, upload=upload.upload_no, read=report.read, landed=report.landed, refused=report.refused)
    return True


async def _imported(db: Database, settings: Settings, run: _Run, path: Path) -> None:
    upload, options = run.upload, run.upload.options
    if upload.what == "events":
        kind = sampling.format_of(path, "events") if options.format == "auto" else options.format
        await import_events(
            db, settings, upload.tenant, options.source, [path], options.mapping(), format=kind, progress=run.move, report=run.report
        )
        return
    await import_items(
        db, settings, upload.tenant, [path], format=options.format, columns=options.columns, encoding=options.encoding,
        delimiter=options.mark, assumed=options.assumed(), strict=options.strict, full=options.full, force=options.force,
        progress=run.move, report=run.report,
    )  # fmt: skip


def _keep_refused(path: Path, run: _Run) -> int:
    """Write the refused rows as they stand in the file; return how many."""
    found: list[tuple[int, str, dict[str, str]]] = []
    try:
        with sampling.rows(path, run.upload.what, run.upload.options) as rows:
            found = [(row.line, run.refused.pop(row.line), row.values) for row in rows if row.line in run.refused]
    except FileFault as fault:
        log.info("import.refused_rows", upload=run.upload.upload_no, error=type(fault).__name__)
    found += [(line, reason, {}) for line, reason in run.refused.items()]
    columns = list(Counter(name for _, _, values in found for name in values))
    folder.write_refused(path.parent / folder.REFUSED, columns, found)
    return len(found)
