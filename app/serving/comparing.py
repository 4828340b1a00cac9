"""What a person would get from two models, side by side: a model that is not live is loaded for the call, and kept for a while."""

import asyncio
from collections import OrderedDict
from dataclasses import replace
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Body, Depends
from pydantic import BaseModel, ConfigDict, Field

from app.access.deps import PROTECTED, problems, require
from app.access.domain import Principal, Scope
from app.core.db import Database
from app.core.errors import Conflict, NotFound
from app.core.outage import or_unavailable
from app.core.resources import Configured, Db, resource
from app.core.settings import Settings
from app.core.texts import STORABLE
from app.data.identity import watched
from app.data.identity.domain import identity_of
from app.documents.kinds import Kind
from app.ml.registry import service as registry
from app.ml.registry.artefact import ArtefactError, mark
from app.ml.registry.loader import LoadedModel
from app.serving.path.ladder import Ladder
from app.serving.path.lookup import Lookup
from app.serving.path.person import People
from app.serving.path.pinning import Pinning
from app.serving.path.rungs.scoring import Scorer
from app.serving.preview import Previewer, previewer
from app.serving.record import serves as record
from app.serving.redis.reader import RedisReader
from app.serving.snapshot.holder import Holder
from app.serving.snapshot.snapshot import LiveModel, Snapshot, placed_model

MOST_LOADED = 2
"""Models that are not live and stay in memory: as many as one comparison needs."""
_KEPT_S = 600.0
_NAMED = r"^[a-z0-9_]{1,40}/[A-Za-z0-9._-]{1,80}$"
_Key = tuple[int, str, str]


class CompareIn(BaseModel):
    """Two models as RECOMMENDER/VERSION, and for whom; `placement` is the first one that asks the recommender unless named."""

    model_config = ConfigDict(extra="forbid")

    a: str = Field(pattern=_NAMED)
    b: str = Field(pattern=_NAMED)
    user_id: str = Field("", max_length=512, pattern=STORABLE)
    item_id: str = Field("", max_length=5_000, pattern=STORABLE, description="The item of the page, for placements that start from one.")
    placement: str = Field("", max_length=64, pattern=STORABLE)
    limit: int = Field(10, ge=1, le=50)


class ListOut(BaseModel):
    """What one model leads to: the answer's items, source and reason, as `GET /v1/recommendations` would give them."""

    recommender: str
    version: str
    source: str
    fallback_reason: str
    items: list[dict[str, Any]]


class CompareOut(BaseModel):
    """Both lists; `shared` are the ids of items that stand in both."""

    placement: str
    user_id: str
    a: ListOut
    b: ListOut
    shared: list[str]


class _Unwritten(Lookup):
    """Reads as serving does and leaves no list behind: one of a model that is not live would push out the live model's."""

    def write(self, *command: Any) -> None:
        """Keep nothing."""


class Comparer:
    """Answers for a person with models of which at most two are loaded beside the live ones."""

    def __init__(self, previews: Previewer, holder: Holder, settings: Settings) -> None:
        self._previews, self._holder, self._settings = previews, holder, settings
        self._loaded: OrderedDict[_Key, LoadedModel] = OrderedDict()
        self._loading = asyncio.Lock()
        self._end: asyncio.TimerHandle | None = None

    async def compare(self, db: Database, caller: Principal, kind: Kind[Any], wanted: CompareIn) -> CompareOut:
        """Return both lists; raises NotFound, Conflict for a model whose files are damaged, and Unavailable."""
        placement = wanted.placement or self._asking(caller.tenant, wanted.a.partition("/")[0])
        staged: dict[str, Snapshot] = {}
        for recommender in {named.partition("/")[0] for named in (wanted.a, wanted.b)}:
            staged[recommender] = await self._previews.published(db, caller, kind, placement, recommender=recommender)
        first, second = [await self._one(db, caller, staged, placement, named, wanted) for named in (wanted.a, wanted.b)]
        theirs = {item["item_id"] for item in second.items}
        shared = [item["item_id"] for item in first.items if item["item_id"] in theirs]
        return CompareOut(placement=placement, user_id=wanted.user_id, a=first, b=second, shared=shared)

    def _asking(self, tenant: int, recommender: str) -> str:
        snapshot = self._holder.current.get(tenant)
        placements = snapshot.config.placements if snapshot is not None else {}
        asking = (name for name, one in sorted(placements.items()) if one.placement.recommender == recommender)
        return next(asking, self._settings.default_placement)

    async def _one(
        self, db: Database, caller: Principal, staged: dict[str, Snapshot], placement: str, named: str, wanted: CompareIn
    ) -> ListOut:
        recommender, _, version = named.partition("/")
        snapshot = staged[recommender]
        model = await self._model(db, snapshot, recommender, version)
        rule = snapshot.config.placements[placement].placement.filter
        await asyncio.to_thread(model.mask_id, rule, snapshot.catalogue)
        snapshot = replace(snapshot, models={**snapshot.models, recommender: model})
        body = (await self._previews.each(caller, snapshot, placement, [wanted.user_id], wanted.limit, wanted.item_id))[0]
        found = orjson.loads(body or b"{}")
        told = {name: found.get(name, "") for name in ("source", "fallback_reason")}
        return ListOut(recommender=recommender, version=version, items=found.get("items", []), **told)

    async def _model(self, db: Database, snapshot: Snapshot, recommender: str, version: str) -> LiveModel:
        live = snapshot.models.get(recommender)
        if live is not None and live.loaded.version == version:
            return live
        found = next((one for one in await registry.models(db, snapshot.tenant, recommender) if one.version == version), None)
        if found is None:
            known = await registry.known(db, snapshot.tenant, recommender)
            raise NotFound(f"{recommender} has no version {version}; {known}.")
        loaded = await self._load((snapshot.tenant, recommender, version), snapshot.config.tenant_name, mark(found.manifest))
        return await asyncio.to_thread(placed_model, found.model_no, loaded, snapshot.catalogue)

    async def _load(self, key: _Key, tenant_name: str, registered: str) -> LoadedModel:
        async with self._loading:  # one at a time: a model may take a second of a processor, and much memory
            if key not in self._loaded:
                while len(self._loaded) >= MOST_LOADED:
                    self._loaded.popitem(last=False)
                try:
                    loaded = await asyncio.to_thread(registry.load_model, self._settings.model_dir, tenant_name, *key[1:], registered)
                except (ArtefactError, OSError) as error:
                    raise Conflict(f"The model cannot be used. {error}") from None
                self._loaded[key] = loaded
            self._loaded.move_to_end(key)
            if self._end is not None:
                self._end.cancel()
            self._end = asyncio.get_running_loop().call_later(_KEPT_S, self._loaded.clear)
            return self._loaded[key]


def comparer(
    settings: Settings, holder: Holder, people: People, scorer: Scorer, reader: RedisReader, pinning: Pinning, serves: record.Buffer
) -> Comparer:
    """Return what compares models with the parts of a server."""
    ladder = Ladder(scorer, _Unwritten(reader), settings)
    return Comparer(previewer(settings, holder, people, ladder, pinning, serves), holder, settings)


Comparing = Annotated[Comparer, Depends(resource("comparer", Comparer))]
Editor = Annotated[Principal, Depends(require(Scope.CONTENT, Scope.OPERATE))]


def router(kind: Kind[Any]) -> APIRouter:
    """Return the route that compares what models give in a placement."""
    made = APIRouter(prefix="/v1/admin/models", tags=["models"], responses={**PROTECTED, **problems(404, 409, 503)})

    @made.post("/compare-lists")
    async def compare_lists(
        db: Db, settings: Configured, compares: Comparing, caller: Editor, wanted: Annotated[CompareIn, Body()]
    ) -> CompareOut:
        """Show what a person would get from two models now; nothing is kept in Redis or counted, the audit log tells who looked."""
        with or_unavailable("Models cannot be compared now; try again."):
            if wanted.user_id:
                await watched.read(db, settings, caller.tenant, caller.who, identity_of(wanted.user_id, "user_id"), "comparison")
            return await compares.compare(db, caller, kind, wanted)

    return made
