"""Clusterings as a kind of document."""

from collections.abc import Iterator

from app.core.db import Database
from app.data.conditions.syntax import Wrong
from app.data.facts.entries import everything
from app.data.segments.clusters.domain import Clustering, features
from app.data.segments.programs import programs
from app.documents.kinds import Facts, Finding, Kind, Names


def check(clustering: Clustering, names: Names, facts: Facts | None) -> Iterator[Finding]:
    """Give features that cannot be read, or are no numbers of a person alone."""
    known = everything(lambda: dict.fromkeys(names["segment"], 0))
    for feature in clustering.features:
        try:
            features([feature], known)
        except Wrong as error:
            yield Finding(level="error", field="features", message=f"{feature}: {error}")
    if len(set(clustering.features)) < len(clustering.features):
        yield Finding(level="warning", field="features", message="a feature that is named twice counts twice")


async def users(db: Database, tenant: int, name: str) -> list[str]:
    """Return the segments that ask for a clustering."""
    async with db.begin() as connection:
        program, _ = await programs(db).of(connection, tenant)
    return [one.name for one in program.judged if any(ref.name == "cluster" and ref.key == name for ref in one.condition.refs)]


KIND = Kind("cluster", Clustering, {}, check, lambda settings: (), users=users)
