"""Clusterings as a kind of document."""

from collections.abc import Iterator, Mapping
from typing import Any

from app.data.conditions import language
from app.data.conditions.syntax import Wrong
from app.data.facts.entries import everything
from app.data.segments.clusters.domain import Clustering, features
from app.data.segments.domain import named
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


def naming(body: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return the segments that features of a clustering ask for."""
    return named(body.get("features", ()), everything(), language.formula)


KIND = Kind("cluster", Clustering, {}, check, lambda settings: (), naming=naming)
