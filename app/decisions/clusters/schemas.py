"""What is said of clusterings over HTTP."""

from datetime import datetime

from pydantic import BaseModel, Field

from app.data.segments.clusters.domain import Clustering, Moved, Tried


class VersionOut(BaseModel):
    """A version of a clustering."""

    name: str
    version: int
    published: bool
    draft: bool
    cluster: Clustering


class FeatureOut(BaseModel):
    """A feature: its spelling and words; the values it was cut off at, whether logarithms were taken, the value that stands for unknown
    ones, and the share of people of whom it is unknown.
    """

    feature: str
    words: str
    low: float
    high: float
    log: bool
    median: float
    missing: float


class ClusterOut(BaseModel):
    """A cluster: its label, the condition its people meet, people and share of the sample, what is special to it in words.

    `values` are what its people are like, by feature; `places` the same in standard deviations from everybody.
    """

    label: int
    when: str
    people: int
    share: float
    sentence: str
    values: dict[str, float]
    places: dict[str, float]


class FoundOut(BaseModel):
    """What was found of the published version, of how many people; `silhouette` from -1 to 1 says how well clusters are parted."""

    at: datetime
    version: int
    sampled: int
    silhouette: float
    tried: list[Tried] = Field(description="Numbers of clusters that were tried where the document leaves `k` open.")
    features: list[FeatureOut]
    clusters: list[ClusterOut]
    moved: list[Moved] | None = Field(
        description="People of the sample whom this round put into another cluster than the one before, most first; null in the first."
    )


class ListOut(VersionOut):
    """A published clustering in the list of all: what was found, and whether that is of this version."""

    ready: bool
    note: str
    found: FoundOut | None


class ClusteringsOut(BaseModel):
    """The published clusterings by name."""

    clusters: list[ListOut]


class ClusteringOut(BaseModel):
    """A clustering: what was found, and all versions, newest first. `ready` is false until the published version was fitted."""

    name: str
    version: int | None
    ready: bool
    note: str
    found: FoundOut | None
    clusters: list[VersionOut]
