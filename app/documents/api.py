"""The admin routes of a kind of document, made from its entry."""

# long: one function makes all routes of a kind

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Header, Path, Query, Request
from pydantic import BaseModel, Field, GetJsonSchemaHandler, create_model
from starlette.responses import PlainTextResponse, Response

from app.access.deps import PROTECTED, problems, require
from app.access.domain import Principal, Scope
from app.core.errors import BadRequest
from app.core.outage import or_unavailable
from app.core.resources import Configured, Db
from app.core.texts import STORABLE, Texts
from app.documents import service, store
from app.documents.kinds import Document, Finding, Kind, Users
from app.documents.service import Change

Reader = Annotated[Principal, Depends(require(Scope.ADMIN_READ))]
Editor = Annotated[Principal, Depends(require(Scope.CONTENT))]
Name = Annotated[str, Path(max_length=200, pattern=STORABLE)]
Version = Annotated[int, Field(ge=1, le=2**31 - 1)]
IfMatch = Annotated[str, Header(description="The ETag that the change was made from; another published version answers 412.")]
Strict = Annotated[bool, Query(description="Refuse warnings too.")]
DryRun = Annotated[bool, Query(description="Only check it: nothing is stored, and the version is 0.")]


class Deed(BaseModel):
    """What was done to a document; `before` and `after` are versions, null where none was published."""

    at: datetime
    who: str
    what: str
    before: int | None
    after: int | None


class Deeds(BaseModel):
    """What was done to a document, newest first."""

    audit: list[Deed]


class RollbackIn(BaseModel):
    """The version to publish again; without one, that which was published before."""

    version: Version | None = None


class _As:
    """Lets OpenAPI describe a plain object as a model; it is read by the kit, which says more about what is wrong."""

    def __init__(self, model: type[BaseModel]) -> None:
        self._model = model

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return the schema of the model."""
        return handler(self._model.__pydantic_core_schema__)


def expected(if_match: str) -> int | None:
    """Return the version that an If-Match names, None for any; raises BadRequest."""
    tag = if_match.strip().removeprefix("W/").strip('"')
    if tag in ("", "*"):
        return None
    if not (tag.isascii() and tag.isdigit() and len(tag) < 10):
        raise BadRequest("If-Match must be the ETag that a version of this document had.")
    return int(tag)


def shapes(kind: Kind[Any]) -> tuple[type[BaseModel], type[BaseModel], type[BaseModel]]:
    """Return what is written, one version, and a list of them, as OpenAPI knows them."""
    title = kind.table.title()
    own: dict[str, Any] = {
        "name": (str, Field("", description="As in the address; what is shown can be published.")),
        "version": (Version | None, Field(None, description="The version this was made from; another published one answers 412.")),
    }
    written = create_model(f"{title}In", __base__=kind.model, **own)
    fields: dict[str, Any] = {
        "name": (str, ...), "version": (int, ...), "published": (bool, ...), "draft": (bool, ...), kind.table: (kind.model, ...),
        "findings": (list[Finding], []),
    }  # fmt: skip
    one = create_model(f"{title}Out", __doc__=f"A version of a {kind.table}.", **fields)
    many: dict[str, Any] = {kind.plural: (list[one], ...)}
    return written, one, create_model(f"{title}List", __doc__="By name, or versions of one, newest first.", **many)


# long: the routes of a kind, one below the other
def router(kind: Kind[Any], users: Users) -> APIRouter:
    """Return the routes under `/v1/admin/<kind>s`; `users` tells what names a document, which then stays."""
    made = APIRouter(prefix=f"/v1/admin/{kind.plural}", tags=[kind.plural], responses={**PROTECTED, **problems(503)})
    written, one, many = shapes(kind)
    Written = Annotated[Texts, Body(), _As(written)]  # noqa: N806 - a type
    later = f"{kind.plural.capitalize()} cannot be reached now; try again."
    writing = problems(400, 404, 412, 413, 422)

    def out(document: Document, response: Response | None = None, findings: Any = ()) -> Any:
        if response is not None:
            response.headers["ETag"] = f'"{document.version}"'
        state = {"name": document.name, "version": document.version, "published": document.published, "draft": document.draft}
        return one.model_validate({**state, kind.table: document.body, "findings": list(findings)})

    async def change(request: Request, caller: Principal, if_match: str, strict: bool, body: Any = None) -> Change:
        facts = await request.app.state.facts(caller.tenant, body)
        return Change(caller.who, expected(if_match), facts, strict)

    @made.get("", response_model=many, name=f"list_{kind.plural}", description=f"List the published {kind.plural}.")
    async def listing(db: Db, caller: Reader) -> Any:
        with or_unavailable(later):
            found = await service.listed(db, kind, caller.tenant)
        return many.model_validate({kind.plural: [out(document) for document in found]})

    @made.get("/{name}", response_model=many, responses=problems(404), description=f"List all versions of a {kind.table}, newest first.")
    async def versions(db: Db, caller: Reader, name: Name) -> Any:
        with or_unavailable(later):
            found = await service.history(db, kind, caller.tenant, name)
        return many.model_validate({kind.plural: [out(document) for document in found]})

    @made.get(
        "/{name}/published",
        response_model=one,
        responses=problems(404),
        description=f"Show the published version of a {kind.table}; its ETag goes into If-Match.",
    )
    async def show(
        db: Db,
        response: Response,
        caller: Reader,
        name: Name,
        version: Annotated[Version | None, Query(description="Another version.")] = None,
    ) -> Any:
        with or_unavailable(later):
            return out(await service.show(db, kind, caller.tenant, name, version), response)

    @made.get(
        "/{name}/diff",
        response_class=PlainTextResponse,
        responses=problems(404),
        description="Tell line by line what changed between two versions; by default from the published one to the newest.",
    )
    async def diff(
        db: Db,
        caller: Reader,
        name: Name,
        old: Annotated[Version | None, Query()] = None,
        new: Annotated[Version | None, Query()] = None,
    ) -> str:
        with or_unavailable(later):
            return await service.diff(db, kind, caller.tenant, name, old, new)

    @made.get("/{name}/audit", responses=problems(404), description=f"Tell who did what to a {kind.table}, newest first.")
    async def audit(db: Db, caller: Reader, name: Name) -> Deeds:
        with or_unavailable(later):
            await service.history(db, kind, caller.tenant, name)
            found = await store.done(db, kind.table, caller.tenant, name)
        return Deeds(audit=[Deed(**deed) for deed in found])

    @made.put(
        "/{name}",
        response_model=one,
        responses=writing,
        description=f"Publish a new version of a {kind.table} after its checks; it shows in answers within a second.",
    )
    async def publish(
        request: Request,
        db: Db,
        response: Response,
        caller: Editor,
        name: Name,
        body: Written,
        if_match: IfMatch = "",
        strict: Strict = False,
        dry_run: DryRun = False,
    ) -> Any:
        with or_unavailable(later):
            wanted = await change(request, caller, if_match, strict, body)
            document, found = await service.write(db, kind, caller.tenant, name, body, wanted, dry_run=dry_run)
        return out(document, None if dry_run else response, found)

    @made.put(
        "/{name}/draft",
        response_model=one,
        responses=writing,
        description=f"Keep a {kind.table} as a draft: a version that is not served before `rollback` publishes it by its number.",
    )
    async def draft(
        request: Request, db: Db, caller: Editor, name: Name, body: Written, if_match: IfMatch = "", strict: Strict = False
    ) -> Any:
        with or_unavailable(later):
            wanted = await change(request, caller, if_match, strict, body)
            document, found = await service.write(db, kind, caller.tenant, name, body, wanted, draft=True)
        return out(document, None, found)

    @made.post("/{name}/rollback", response_model=one, responses=writing, description="Publish an earlier version, or a draft, as it is.")
    async def rollback(
        request: Request,
        db: Db,
        response: Response,
        caller: Editor,
        name: Name,
        body: RollbackIn | None = None,
        if_match: IfMatch = "",
        strict: Strict = False,
    ) -> Any:
        with or_unavailable(later):
            wanted = await change(request, caller, if_match, strict)
            document = await service.rollback(db, kind, caller.tenant, name, body.version if body else None, wanted)
        return out(document, response)

    @made.delete(
        "/{name}",
        status_code=204,
        responses=problems(400, 404, 409, 412),
        description=f"Take a {kind.table} out of use; its versions stay, and `rollback` brings it back. Refused while something names it.",
    )
    async def delete(db: Db, settings: Configured, caller: Editor, name: Name, if_match: IfMatch = "") -> None:
        with or_unavailable(later):
            wanted = Change(caller.who, expected(if_match))
            await service.delete(db, kind, caller.tenant, name, settings, wanted, users)

    return made
