"""What a clustering says, what was found, and which cluster somebody is in: one short loop, without numpy. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from app.data.conditions import language
from app.data.conditions.language import Formula
from app.data.conditions.syntax import Wrong
from app.data.facts.domain import Subject
from app.data.facts.entries import Facts

DEFAULT = ("days_since.seen", "active_days.90d", "orders.365d", "spent.365d", "engagement")
MOST_FEATURES = 20
_STORABLE = r"^[^\x00]*$"
_Feature = Annotated[str, Field(max_length=500, pattern=_STORABLE)]
_LEVELS = ((1.0, "very high"), (0.5, "high"), (-0.5, ""), (-1.0, "low"), (-math.inf, "very low"))


class Clustering(BaseModel):
    """The document of a clustering."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    features: Annotated[tuple[_Feature, ...], Field(min_length=1, max_length=MOST_FEATURES)] = Field(
        DEFAULT, description="Facts, or formulas of facts, in which people of a cluster are alike."
    )
    k: int | None = Field(None, ge=2, le=10, description="How many clusters; empty: as many as part people best, 2 to 10.")
    description: Annotated[str, Field(max_length=500, pattern=_STORABLE)] = Field("", description="For the people who edit it.")


class Scale(BaseModel):
    """How a feature becomes comparable with others: cut off at `low` and `high`, by logarithm or not, less `mean`, over `spread`.

    Unknown values count as `median`; `missing` is their share.
    """

    low: float
    high: float
    log: bool
    mean: float
    spread: float
    median: float
    missing: float

    def scaled(self, value: float | None) -> float:
        """Return a value as distances are measured in."""
        value = self.median if value is None else min(max(value, self.low), self.high)
        return ((math.log1p(value) if self.log else value) - self.mean) / self.spread

    def raw(self, scaled: float) -> float:
        """Return the value that a place on the scale stands for."""
        value = scaled * self.spread + self.mean
        # what is nothing comes back as less than a billionth of something
        return round(math.expm1(value) if self.log else value, 9) + 0.0


class Cluster(BaseModel):
    """One cluster: its label, which stays over refits, its place on each scale, people in the sample, and what is special to it."""

    label: int
    centroid: list[float]
    people: int
    sentence: str = ""


class Tried(BaseModel):
    """A number of clusters that was tried, the sum of squares it left, and its silhouette."""

    k: int
    inertia: float
    silhouette: float


class Moved(BaseModel):
    """How many people of the sample went from one cluster to another, as what was found before and now puts them."""

    before: int
    now: int
    people: int


class Model(BaseModel):
    """What was found of a version of a clustering: clusters of `sampled` people, the scale of each feature, how well they are parted.

    `tried` says which numbers of clusters were tried when it was fitted first, `moved` who went elsewhere since the round before; None
    where there was none of the same features.
    """

    features: list[str]
    scales: list[Scale]
    clusters: list[Cluster]
    silhouette: float
    sampled: int
    tried: list[Tried] = []
    moved: list[Moved] | None = None

    def label(self, values: Sequence[float | None]) -> int | None:
        """Return the label of the nearest cluster; None for somebody of whom nothing is known."""
        if all(value is None for value in values) or not self.clusters:
            return None
        place = [scale.scaled(value) for scale, value in zip(self.scales, values, strict=True)]
        return min(self.clusters, key=lambda one: sum((a - b) * (a - b) for a, b in zip(place, one.centroid, strict=True))).label


def features(written: Iterable[str], facts: Facts) -> list[Formula]:
    """Read the features of a clustering: numbers of the person alone, and of no other clusters. Raises Wrong."""
    found = []
    for one in written:
        formula = language.formula(one, facts, (Subject.PERSON,), "a feature")
        if any(ref.name == "cluster" for ref in formula.refs):
            raise Wrong(f"{one}: clusters cannot rest on clusters")
        found.append(formula)
    return found


class Labels:
    """All clusterings of a shop, ready to label."""

    def __init__(self, models: Mapping[str, Model], facts: Facts) -> None:
        self.models: dict[str, Model] = {}
        self.broken: dict[str, str] = {}
        self._ready = []
        for name, model in models.items():
            try:
                read = [formula.number for formula in features(model.features, facts)]
            except Wrong as error:
                self.broken[name] = str(error)
                continue
            self.models[name] = model
            self._ready.append((name, model, read))

    def __bool__(self) -> bool:
        """Tell whether there is any."""
        return bool(self._ready)

    def of(self, view: Any) -> dict[str, int]:
        """Return the label of a person in each clustering that has one for them; none of somebody who did nothing yet."""
        if not view.person.known:
            return {}
        found = {name: model.label([read(view) for read in numbers]) for name, model, numbers in self._ready}
        return {name: label for name, label in found.items() if label is not None}


def described(centroid: Sequence[float], scales: Sequence[Scale], words: Sequence[str]) -> str:
    """Say in words what is high and low in a cluster against everybody, the most special first."""
    parts = []
    for place, scale, name in sorted(zip(centroid, scales, words, strict=True), key=lambda one: -abs(one[0])):
        level = next(word for least, word in _LEVELS if place >= least)
        if level:
            parts.append(f"{level} {name} (about {scale.raw(place):,.4g})")
    text = ", ".join(parts) or "like everybody in all of it"
    return f"{text[:1].upper()}{text[1:]}."
