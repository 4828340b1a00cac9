"""What is done with uploads: staged with a guess, tried with other options, and handed to the worker."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from app.access import audit
from app.core.db import Database
from app.core.errors import Conflict, Invalid, NotFound
from app.core.settings import Settings
from app.data.imports.files import FileFault
from app.data.uploads import folder, guessing, store
from app.data.uploads.domain import BadOptions, Options, What
from app.data.uploads.preview import preview
from app.data.uploads.schemas import Preview
from app.data.uploads.store import Upload

ELSEWHERE = (
    "The file does not lie on this machine: it was handed in at another server, or was deleted after a day. "
    "Hand it in again; servers and worker must share MORSEL_DATA_DIR."
)


async def stage(
    db: Database, settings: Settings, tenant: int, who: str, what: What, name: str, body: AsyncIterator[bytes], begin: Options | None
) -> tuple[Upload, Preview]:
    """Keep a file and return it with what is guessed of it, or with how it comes out with the options given; raises Problem."""
    coming, size = await folder.receive(body, settings, tenant)
    try:
        number = await store.add(db, tenant, what, folder.safe_name(name), size, who)
        into = folder.folder(settings, tenant, number)
        await asyncio.to_thread(_move, coming, into, folder.safe_name(name))
    except BaseException:
        coming.unlink(missing_ok=True)
        raise
    upload = await get(db, tenant, number)
    path = file_of(settings, upload)
    try:
        options, notes = (begin, []) if begin else await asyncio.to_thread(guessing.guess, path, what, upload.file_name)
    except (FileFault, BadOptions, ValueError, LookupError) as fault:
        await _forget(db, settings, upload)
        raise Invalid(
            str(fault) if isinstance(fault, FileFault | BadOptions) else f"{upload.file_name}: the file cannot be read."
        ) from None
    await store.keep_options(db, tenant, number, options, notes)
    found = await asyncio.to_thread(preview, path, what, upload.file_name, options, settings.max_item_bytes, notes)
    return await get(db, tenant, number), found


def _move(coming: Path, into: Path, name: str) -> None:
    into.mkdir(parents=True, mode=0o700)
    coming.rename(into / name)


async def _forget(db: Database, settings: Settings, upload: Upload) -> None:
    await db.run("delete from upload where tenant = :tenant and upload_no = :no", tenant=upload.tenant, no=upload.upload_no)
    await asyncio.to_thread(shutil.rmtree, folder.folder(settings, upload.tenant, upload.upload_no), ignore_errors=True)


async def get(db: Database, tenant: int, upload_no: int) -> Upload:
    """Return an upload; raises NotFound."""
    found = await store.get(db, tenant, upload_no)
    if found is None:
        raise NotFound("There is no upload of this number; files are kept for a day.")
    return found


def file_of(settings: Settings, upload: Upload) -> Path:
    """Return the file of an upload; raises Conflict where it does not lie here."""
    path = folder.folder(settings, upload.tenant, upload.upload_no) / upload.file_name
    if not path.is_file():
        raise Conflict(ELSEWHERE)
    return path


async def look(db: Database, settings: Settings, upload: Upload, options: Options | None) -> Preview:
    """Show what would come of an upload with other options, and remember them; with those it has where none are given."""
    path = file_of(settings, upload)
    if options is not None:
        await store.keep_options(db, upload.tenant, upload.upload_no, options)
    chosen = options or upload.options
    return await asyncio.to_thread(preview, path, upload.what, upload.file_name, chosen, settings.max_item_bytes, upload.notes)


async def run(db: Database, settings: Settings, upload: Upload, who: str, options: Options) -> None:
    """Hand an upload to the worker, which imports it; raises Conflict and Invalid."""
    file_of(settings, upload)
    try:
        if upload.what == "events":
            options.mapping()
            if not options.source:
                raise BadOptions("source: a name for where these events come from is needed")
        else:
            options.assumed()
    except BadOptions as fault:
        raise Invalid(f"It cannot be imported so: {fault}.") from None
    async with db.begin() as connection:
        if not await store.await_turn(connection, upload.tenant, upload.upload_no, options):
            raise Conflict("This upload was imported already, or waits for its turn; hand the file in again to import it anew.")
        note = f"source {options.source}" if upload.what == "events" else "whole catalogue" if options.full else ""
        await audit.record(connection, upload.tenant, who, "import", upload.what, upload.file_name, note=note)
