"""What is asked of clusterings over HTTP beside the documents: what was found."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from app.access.deps import PROTECTED, problems, require
from app.access.domain import Principal, Scope
from app.core.db import Database
from app.core.outage import or_unavailable
from app.core.resources import Db
from app.core.texts import STORABLE
from app.data.facts.domain import Ref
from app.data.facts.entries import everything
from app.data.segments.clusters import fitting, store
from app.data.segments.clusters.domain import Clustering, features
from app.data.segments.clusters.refreshing import words
from app.data.segments.clusters.store import Found
from app.decisions.clusters import schemas
from app.decisions.clusters.kind import KIND
from app.documents import service
from app.documents.kinds import Document

router = APIRouter(prefix="/v1/admin", tags=["clusters"], responses={**PROTECTED, **problems(503)})
Reader = Annotated[Principal, Depends(require(Scope.ADMIN_READ))]
Name = Annotated[str, Path(max_length=64, pattern=STORABLE)]


@router.get("/clusters", description="List the published clusterings with what was found of each.")
async def listed(db: Db, caller: Reader) -> schemas.ClusteringsOut:
    """List the clusterings."""
    with or_unavailable("Clusters cannot be reached now; try again."):
        documents = await service.listed(db, KIND, caller.tenant)
        async with db.begin() as connection:
            models = await store.every(connection, caller.tenant)
    rows = []
    for one in documents:
        found = models.get(one.name)
        ready, note = _state(one.version, found)
        told = _found(one.name, found) if found is not None else None
        rows.append(schemas.ListOut(**dict(_version(one)), ready=ready, note=note, found=told))
    return schemas.ClusteringsOut(clusters=rows)


@router.get(
    "/clusters/{name}", responses=problems(404), description="Show a clustering: its clusters in words, how good they are, versions."
)
async def show(db: Db, caller: Reader, name: Name) -> schemas.ClusteringOut:
    """Show a clustering."""
    with or_unavailable("Clusters cannot be reached now; try again."):
        return await shown(db, caller.tenant, name)


async def shown(db: Database, tenant: int, name: str) -> schemas.ClusteringOut:
    """Return a clustering with what was found; raises NotFound."""
    versions = await service.history(db, KIND, tenant, name)
    live = next((one.version for one in versions if one.published), None)
    async with db.begin() as connection:
        found = await store.model(connection, tenant, name)
    ready, note = _state(live, found)
    return schemas.ClusteringOut(
        name=name, version=live, ready=ready, note=note, found=_found(name, found) if found is not None else None,
        clusters=[_version(one) for one in versions],
    )  # fmt: skip


def _state(live: int | None, found: Found | None) -> tuple[bool, str]:
    """Return whether what was found is of the published version, and what else is to be known."""
    if found is None or found.version != live:
        return False, "" if live is None else "The worker finds its clusters within seconds."
    if not found.model.clusters:
        return True, f"There are too few people of whom this is known: {found.model.sampled}, and {fitting.LEAST} are needed."
    return True, ""


def _found(name: str, found: Found) -> schemas.FoundOut:
    model = found.model
    said = [words(one) for one in features(model.features, everything())] if model.clusters else []
    total = sum(one.people for one in model.clusters)
    return schemas.FoundOut(
        at=found.at, version=found.version, sampled=model.sampled, silhouette=model.silhouette, tried=model.tried, moved=model.moved,
        features=[
            schemas.FeatureOut(
                feature=feature, words=word, low=scale.low, high=scale.high, log=scale.log, median=scale.median, missing=scale.missing
            )
            for feature, word, scale in zip(model.features, said, model.scales, strict=False)
        ],
        clusters=[
            schemas.ClusterOut(
                label=one.label, when=f"{Ref('cluster', name)} = {one.label}", people=one.people, share=one.people / total,
                sentence=one.sentence, places=dict(zip(model.features, one.centroid, strict=True)),
                values={
                    feature: scale.raw(place) for feature, scale, place in zip(model.features, model.scales, one.centroid, strict=True)
                },
            )
            for one in model.clusters
        ],
    )  # fmt: skip


def _version(one: Document) -> schemas.VersionOut:
    return schemas.VersionOut(
        name=one.name, version=one.version, published=one.published, draft=one.draft, cluster=Clustering.model_validate(one.body)
    )
