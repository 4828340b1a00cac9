"""One consistent picture of a tenant, which a request holds on to from its first step to its last."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.content.liquid import BadTemplate
from app.content.templates.defaults import DEFAULTS as DEFAULT_TEMPLATES
from app.content.templates.domain import Template, from_document
from app.core.logging import log
from app.decisions.placements.domain import Filter, Placement
from app.ml.registry.loader import LoadedModel
from app.serving.snapshot.catalogue import Catalogue, Ints

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Placed:
    """The published version of a placement."""

    name: str
    number: int
    version: int
    placement: Placement


@dataclass(eq=False)
class LiveModel:
    """A loaded model with its place in this catalogue: `groups` int64[N] is the group index of each row, -1 for none."""

    model_no: int
    loaded: LoadedModel
    groups: Ints
    keys: dict[str, int] = field(default_factory=dict)
    masks: Floats = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    def mask_id(self, wanted: Filter, catalogue: Catalogue) -> int:
        """Return the number of the mask row of a filter, adding it when it is new; row 0 is open."""
        key = wanted.key
        found = self.keys.get(key)
        if found is not None:
            return found
        if len(self.keys) >= 256:
            self.keys = {}
            self.masks = self.masks[:1]
        if not len(self.masks):
            self.masks = np.zeros((1, len(self.groups)), np.float32)
        open_groups = catalogue.passing(wanted).groups
        row = np.where(open_groups[self.groups], np.float32(0), np.float32(-np.inf)).astype(np.float32)
        # a new array, never a changed one: a batch in the scoring thread may still read the old
        self.masks = np.vstack([self.masks, row[None, :]])
        self.keys[key] = len(self.masks) - 1
        return self.keys[key]


def placed_model(model_no: int, loaded: LoadedModel, catalogue: Catalogue) -> LiveModel:
    """Put a loaded model over a catalogue."""
    return LiveModel(model_no, loaded, catalogue.group_index(loaded.rows))


@dataclass(frozen=True)
class Config:
    """What people decided: placements, templates, popular lists."""

    tenant_name: str
    placements: dict[str, Placed]
    templates: dict[str, Template]
    popular: dict[str, Ints]
    models: dict[str, tuple[int, str]]

    @classmethod
    def read(cls, document: dict[str, Any]) -> "Config":
        """Read the JSON-ready form; a template that cannot be compiled is left out and logged."""
        templates: dict[str, Template] = {name: from_document(name, 0, body) for name, body in DEFAULT_TEMPLATES.items()}
        for name, version, body in document["templates"]:
            try:
                templates[name] = from_document(name, version, body)
            except BadTemplate as error:
                log.error("template.unusable", template=name, version=version, error=str(error))
        return cls(
            document["tenant"],
            {name: Placed(name, number, version, Placement.model_validate(body)) for name, number, version, body in document["placements"]},
            templates,
            {segment: np.array(groups, np.int64) for segment, (groups, _) in document["popular"].items()},
            {recommender: (model_no, version) for recommender, model_no, version in document["models"]},
        )


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Catalogue, configuration and live models of a tenant at one moment; `age` from `confirmed_at` (monotonic seconds)."""

    tenant: int
    catalogue: Catalogue
    config: Config
    models: dict[str, LiveModel]
    confirmed_at: float
    _popular: dict[tuple[str, str], Ints] = field(default_factory=dict)

    def warm(self) -> None:
        """Prepare what the first requests would otherwise wait for: the item index, and each placement's filter."""
        self.catalogue.prepare()
        for placed in self.config.placements.values():
            self.popular("", placed.placement.filter)
            model = self.models.get(placed.placement.recommender)
            if model is not None:
                model.mask_id(placed.placement.filter, self.catalogue)

    def popular(self, segment: str, wanted: Filter) -> Ints:
        """Return the group indexes of a popular list that pass a filter, best first; remembered.

        The list of all people is followed by every other group that passes, so that a narrow filter is still filled.
        """
        key = (segment, wanted.key)
        found = self._popular.get(key)
        if found is None:
            passing = self.catalogue.passing(wanted).groups
            listed = self.catalogue.group_index(self.config.popular.get(segment, np.zeros(0, np.int64)))
            listed = listed[passing[listed]]
            if segment == "":
                rest = np.flatnonzero(passing[:-1])[::-1]
                listed = np.concatenate([listed, rest[~np.isin(rest, listed)][:500]])
            found = listed
            if len(self._popular) < 2048:
                self._popular[key] = found
        return found
