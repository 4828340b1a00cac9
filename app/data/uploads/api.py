"""Admin routes of the import assistant, and of imports that were made."""

from typing import Annotated, Literal

import orjson
from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import FileResponse, Response

from app.access import audit
from app.access.deps import PROTECTED, problems, require
from app.access.domain import Principal, Scope
from app.core.db import Database
from app.core.errors import Forbidden, NotFound
from app.core.outage import or_unavailable
from app.core.texts import STORABLE
from app.data.imports import runs
from app.data.uploads import folder, service, store
from app.data.uploads.domain import Options, What
from app.data.uploads.schemas import (
    Forgotten,
    MappingIn,
    Preview,
    RunDetail,
    RunList,
    RunOut,
    Saved,
    SavedList,
    Staged,
    UploadOut,
)
from app.data.uploads.store import Upload

router = APIRouter(prefix="/v1/admin/imports", tags=["imports"], responses={**PROTECTED, **problems(503)})
Reader = Annotated[Principal, Depends(require(Scope.CATALOG, Scope.OPERATE, Scope.ADMIN_READ))]
# rows of a file may name people: reading the rest of the administration does not open them
Editor = Annotated[Principal, Depends(require(Scope.CATALOG, Scope.OPERATE, readers=False))]
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]
Name = Annotated[str, Path(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f/]+$")]
_LATER = "Imports cannot be reached now; try again."
_NEEDED: dict[What, Scope] = {"items": Scope.CATALOG, "events": Scope.OPERATE}
_BODY = {"requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}}


def _allow(caller: Principal, what: What) -> None:
    if not caller.may(_NEEDED[what]):
        raise Forbidden(f"Importing {what} needs the scope {_NEEDED[what]}.")


@router.post("", status_code=201, max_body_size=folder.LARGEST, openapi_extra=_BODY, responses=problems(404))
async def stage_upload(
    request: Request,
    caller: Editor,
    what: Annotated[What, Query(description="What is in the file.")],
    file_name: Annotated[str, Query(min_length=1, max_length=500, pattern=STORABLE, description="Its ending tells the format.")],
    mapping: Annotated[str, Query(max_length=100, pattern=STORABLE, description="Read it as was kept under this name.")] = "",
) -> Staged:
    """Hand in a file, up to 300 MB, as the body of the call; the answer says what was guessed of it. Nothing is imported yet."""
    _allow(caller, what)
    state = request.app.state
    with or_unavailable(_LATER):
        begin = await _kept(state.db, caller.tenant, what, mapping) if mapping else None
        upload, found = await service.stage(state.db, state.settings, caller.tenant, caller.who, what, file_name, request.stream(), begin)
        return Staged(**(await _shown(state.db, upload)).model_dump(), preview=found)


async def _kept(db: Database, tenant: int, what: What, name: str) -> Options:
    found = next((one[2] for one in await store.saved(db, tenant) if one[:2] == (what, name)), None)
    if found is None:
        raise NotFound(f"No mapping of {what} is kept under this name.")
    return found


@router.post("/{upload_no}/preview", responses=problems(404, 409))
async def preview_upload(request: Request, caller: Editor, upload_no: Number, options: Options | None = None) -> Preview:
    """Show what would come of a file that was handed in, read with other options; they are remembered."""
    state = request.app.state
    with or_unavailable(_LATER):
        upload = await service.get(state.db, caller.tenant, upload_no)
        _allow(caller, upload.what)
        return await service.look(state.db, state.settings, upload, options)


@router.post("/{upload_no}/run", status_code=202, responses=problems(404, 409))
async def run_upload(request: Request, caller: Editor, upload_no: Number, options: Options | None = None) -> UploadOut:
    """Import a file that was handed in; the worker does it, and `GET` tells how far it is."""
    state = request.app.state
    with or_unavailable(_LATER):
        upload = await service.get(state.db, caller.tenant, upload_no)
        _allow(caller, upload.what)
        await service.run(state.db, state.settings, upload, caller.who, options or upload.options)
        return await _shown(state.db, await service.get(state.db, caller.tenant, upload_no))


@router.get("")
async def list_runs(
    request: Request,
    caller: Reader,
    what: Annotated[What | Literal["traits"] | None, Query(description="Only those of items, of events, or of people's traits.")] = None,
    before: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> RunList:
    """List imports, newest first, those by the command line too."""
    db = request.app.state.db
    with or_unavailable(_LATER):
        rows = await runs.listed(db, caller.tenant, what or "", before, limit + 1)
        uploads = await store.of_runs(db, caller.tenant, [row[0] for row in rows])
    shown = [RunOut.model_validate(_run(row, uploads.get(row[0])).model_dump()) for row in rows[:limit]]
    return RunList(runs=shown, next=str(shown[-1].run_no) if len(rows) > limit else None)


@router.get("/runs/{run_no}", responses=problems(404))
async def get_run(request: Request, caller: Reader, run_no: Number) -> RunDetail:
    """Show an import with its report."""
    db = request.app.state.db
    with or_unavailable(_LATER):
        row = await runs.one(db, caller.tenant, run_no)
        uploads = await store.of_runs(db, caller.tenant, [run_no])
    if row is None:
        raise NotFound("There is no import of this number.")
    return _run(row, uploads.get(run_no))


@router.get("/mappings")
async def list_mappings(request: Request, caller: Reader) -> SavedList:
    """List what was kept of how files are read."""
    with or_unavailable(_LATER):
        found = await store.saved(request.app.state.db, caller.tenant)
    return SavedList(mappings=[Saved(what=what, name=name, options=options, saved_at=at) for what, name, options, at in found])


@router.put("/mappings/{what}/{name}")
async def keep_mapping(request: Request, caller: Editor, what: What, name: Name, mapping: MappingIn) -> Saved:
    """Keep how a kind of file is read under a name, in place of what was kept under it."""
    _allow(caller, what)
    db = request.app.state.db
    with or_unavailable(_LATER):
        async with db.begin() as connection:
            await store.save(connection, caller.tenant, what, name, mapping.options)
            await audit.record(connection, caller.tenant, caller.who, "keep mapping", what, name)
        found = next(one for one in await store.saved(db, caller.tenant) if one[:2] == (what, name))
    return Saved(what=what, name=name, options=found[2], saved_at=found[3])


@router.delete("/mappings/{what}/{name}", responses=problems(404))
async def forget_mapping(request: Request, caller: Editor, what: What, name: Name) -> Forgotten:
    """Forget what was kept under a name."""
    _allow(caller, what)
    with or_unavailable(_LATER):
        async with request.app.state.db.begin() as connection:
            if not await store.drop(connection, caller.tenant, what, name):
                raise NotFound(f"No mapping of {what} is kept under this name.")
            await audit.record(connection, caller.tenant, caller.who, "forget mapping", what, name)
    return Forgotten(deleted=True)


@router.get("/{upload_no}", responses=problems(404))
async def get_upload(request: Request, caller: Reader, upload_no: Number) -> UploadOut:
    """Say how far the import of a file is, and what came of it."""
    db = request.app.state.db
    with or_unavailable(_LATER):
        return await _shown(db, await service.get(db, caller.tenant, upload_no))


@router.get("/{upload_no}/refused", response_class=Response, responses={200: {"content": {"text/csv": {}}}, **problems(404)})
async def get_refused(request: Request, caller: Editor, upload_no: Number) -> Response:
    """Download the refused rows as CSV: line, reason, and the row as it stood in the file; for a day."""
    state = request.app.state
    with or_unavailable(_LATER):
        upload = await service.get(state.db, caller.tenant, upload_no)
        _allow(caller, upload.what)
    path = folder.folder(state.settings, caller.tenant, upload_no) / folder.REFUSED
    if not path.is_file():
        raise NotFound("No refused rows are kept here: there were none, or a day has gone by.")
    return FileResponse(path, media_type="text/csv; charset=utf-8", filename=f"refused-{upload.file_name}.csv")


async def _shown(db: Database, upload: Upload) -> UploadOut:
    row = await runs.one(db, upload.tenant, upload.run_no) if upload.run_no else None
    values = {name: getattr(upload, name) for name in UploadOut.model_fields if name != "run"}
    return UploadOut(**values, run=_run(row, upload.upload_no) if row is not None else None)


def _run(row: tuple[object, ...], upload_no: int | None) -> RunDetail:
    names = ("run_no", "what", "file_name", "source", "started_at", "finished_at", "read", "landed", "duplicate", "refused")
    report = orjson.loads(str(row[10]))
    return RunDetail.model_validate(
        {**dict(zip(names, row, strict=False)), "upload_no": upload_no, "fault": report.get("fault", ""), "report": report}
    )
