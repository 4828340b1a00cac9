"""Previews: a draft, or what somebody just wrote, as a real person would get it now; nothing is recorded, pinned or counted as a click."""

# long: staging, answering and the route of a preview

import asyncio
import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.responses import Response

from app.access.deps import PROTECTED, problems, require
from app.access.domain import Principal, Scope
from app.content.formats import FORMATS, HTML, JSON, NAMES, templated
from app.core.db import Database
from app.core.errors import Unavailable
from app.core.outage import or_unavailable
from app.core.resources import Configured, Db, resource
from app.core.settings import Settings
from app.core.texts import STORABLE, Texts
from app.data.catalogue.store import known_groups
from app.data.identity import watched
from app.data.identity.domain import identity_of
from app.documents import service
from app.documents.kinds import Kind, named, read
from app.serving.edge.asgi import reply
from app.serving.edge.parameters import parse
from app.serving.model.call import Call, waking
from app.serving.path.ladder import Ladder
from app.serving.path.person import People
from app.serving.path.pinning import Pinning
from app.serving.path.pipeline import Pipeline
from app.serving.record import serves as record
from app.serving.render.writer import Writer
from app.serving.snapshot.holder import Holder
from app.serving.snapshot.snapshot import Config, Snapshot

Editor = Annotated[Principal, Depends(require(Scope.CONTENT))]


def _format(name: str) -> str:
    if name not in FORMATS:
        raise ValueError(f"must be one of {', '.join(FORMATS)}")
    return name


class PreviewIn(BaseModel):
    """What to preview, and for whom: a document, a version by its number, or by default the newest version, a draft too."""

    model_config = ConfigDict(extra="forbid")

    document: Texts | None = Field(None, description="What `show` prints, changed.")
    version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    placement: str = Field("", max_length=64, pattern=STORABLE, description="For a template: the placement that shows it.")
    user_id: str = Field("", max_length=512, pattern=STORABLE)
    anonymous_id: str = Field("", max_length=512, pattern=STORABLE)
    email_sha256: str = Field("", max_length=64, pattern=STORABLE)
    item_id: str = Field("", max_length=5_000, pattern=STORABLE)
    exclude: str = Field("", max_length=5_000, pattern=STORABLE)
    category: str = Field("", max_length=512, pattern=STORABLE)
    locale: str = Field("", max_length=20, pattern=STORABLE)
    limit: str = Field("", max_length=2, pattern=STORABLE)
    format: Annotated[str, AfterValidator(_format)] = Field("html", max_length=20, description=NAMES)

    def parameters(self) -> dict[str, str]:
        """Return the parameters of the call."""
        return {name: value for name, value in self.model_dump(exclude={"document", "version", "placement"}).items() if value}


class Previewer:
    """Answers previews through the pipeline that answers calls."""

    def __init__(self, holder: Holder, pipeline: Pipeline, default_placement: str) -> None:
        self._holder, self._pipeline, self._default = holder, pipeline, default_placement

    async def preview(self, db: Database, caller: Principal, kind: Kind[Any], name: str, wanted: PreviewIn) -> Call:
        """Return the finished call; raises Invalid, NotFound and Unavailable."""
        named(kind, name)
        body = wanted.document
        if body is None:
            found = await service.history(db, kind, caller.tenant, name)
            body = (found[0] if wanted.version is None else await service.show(db, kind, caller.tenant, name, wanted.version)).body
        document, _ = read(kind, body, name)
        service.refused(kind, [one for one in kind.check(document, _Any(), None) if one.field != "template"], strict=False)
        placement = name if kind.table == "placement" else wanted.placement or self._user_of(self._holder.document(caller.tenant), name)
        staged = await self._stage(db, caller, kind, name, document.model_dump(mode="json"), placement)
        return await self._answer(caller, staged, placement, wanted.parameters())

    async def published(self, db: Database, caller: Principal, kind: Kind[Any], name: str, **changes: Any) -> Snapshot:
        """Return a snapshot with the published placement, without its deadline and with changes; raises NotFound and Unavailable."""
        found = await service.show(db, kind, caller.tenant, name)
        return await self._stage(db, caller, kind, name, {**found.body, "deadline_ms": None, **changes}, name)

    async def each(
        self, caller: Principal, staged: Snapshot, placement: str, people: Sequence[str], limit: int | None, item_id: str = ""
    ) -> list[bytes]:
        """Return the JSON that each of some people would get, in their order, on the page of an item if one is named."""
        given = {"format": "json", **({"limit": str(limit)} if limit else {}), **({"item_id": item_id} if item_id else {})}
        calls = [self._answer(caller, staged, placement, {**given, "user_id": one}, explain=False) for one in people]
        return [call.body or b"" for call in await asyncio.gather(*calls)]

    async def _stage(self, db: Database, caller: Principal, kind: Kind[Any], name: str, plain: dict[str, Any], placement: str) -> Snapshot:
        snapshot = self._holder.current.get(caller.tenant)
        if snapshot is None:
            raise Unavailable("Nothing has been loaded for this tenant yet; try again in a second.", headers={"Retry-After": "1"})
        groups = await known_groups(db, caller.tenant, plain.get("blocked", []))
        stored = self._holder.document(caller.tenant)
        return await asyncio.to_thread(_staged, snapshot, stored, kind.table, name, plain, placement, groups)

    def _user_of(self, stored: Mapping[str, Any], template: str) -> str:
        users = [name for name, _, _, body in stored["placements"] if body.get("template", "grid") == template]
        return users[0] if users else self._default

    async def _answer(self, caller: Principal, snapshot: Snapshot, placement: str, given: dict[str, str], *, explain: bool = True) -> Call:
        call = parse(caller, given, placement, HTML)
        call.explain = explain and call.format is JSON
        # as with HEAD, nothing is recorded
        call.head, call.snapshot = True, snapshot
        call.received = call.known = call.started = time.perf_counter()
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        call.done = waking(future)
        self._pipeline.begin(call)
        await future
        return call


class _Any(dict[str, Any]):
    """Names of documents, of which there are none."""

    def __missing__(self, key: str) -> tuple[str, ...]:
        return ()


def _staged(
    snapshot: Snapshot, stored: Mapping[str, Any], table: str, name: str, body: dict[str, Any], placement: str, groups: dict[str, int]
) -> Snapshot:
    """Return a snapshot in which one document is another; what is rendered in it stays in it."""
    rows = {
        plural: [row for row in stored[plural] if not (plural == f"{table}s" and row[0] == name)] for plural in ("placements", "templates")
    }
    if table == "placement":
        rows["placements"].append([name, 0, 0, body])
    else:
        rows["templates"].append([name, 0, body])
        rows["placements"] = [
            [row[0], row[1], row[2], {**row[3], "template": name}] if row[0] == placement else row for row in rows["placements"]
        ]
    config = Config.read({**stored, **rows, "groups": {**stored.get("groups", {}), **groups}})
    staged = dataclasses.replace(snapshot, config=config, catalogue=snapshot.catalogue.at(time.time()))
    staged.ready(placement)
    return staged


def previewer(settings: Settings, holder: Holder, people: People, ladder: Ladder, pinning: Pinning, serves: record.Buffer) -> Previewer:
    """Return what answers previews with the parts of a server."""
    pipeline = Pipeline(settings, people, ladder, pinning, Writer(None), serves)
    return Previewer(holder, pipeline, settings.default_placement)


Showing = Annotated[Previewer, Depends(resource("previewer", Previewer))]


def router(kind: Kind[Any]) -> APIRouter:
    """Return the preview route of a kind of document that can be seen."""
    made = APIRouter(prefix=f"/v1/admin/{kind.plural}", tags=[kind.plural], responses={**PROTECTED, **problems(404, 503)})
    texts: dict[str, Any] = {form.media: {"schema": {"type": "string"}} for form in templated()}
    texts["application/json"] = {"schema": {"type": "object"}}

    @made.post(
        "/{name}/preview",
        response_class=Response,
        responses={200: {"description": "What this person would get.", "content": texts}},
        description=f"Show a {kind.table} that is not published, or not even kept, as a person would get it now.",
    )
    async def preview(
        db: Db,
        settings: Configured,
        shown_by: Showing,
        caller: Editor,
        name: Annotated[str, Path(max_length=200, pattern=STORABLE)],
        wanted: Annotated[PreviewIn, Body()],
    ) -> Response:
        with or_unavailable("Previews cannot be made now; try again."):
            for by in ("user_id", "anonymous_id", "email_sha256"):
                if value := getattr(wanted, by):
                    await watched.read(db, settings, caller.tenant, caller.who, identity_of(value, by), "preview")
            call = await shown_by.preview(db, caller, kind, name, wanted)
        status, headers, body = reply(call)
        made = Response(body, status)
        made.raw_headers = headers
        return made

    return made
