"""One consistent picture of a tenant, which a request holds on to from its first step to its last."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from app.content.templates.domain import Template
from app.core.parts import Loaded, Part
from app.data.facts.entries import Facts, everything
from app.decisions.placements.domain import Filter
from app.decisions.placements.domain import Placed as Placed
from app.decisions.rules.part import Known
from app.decisions.rules.program import Program
from app.ml.registry.part import Chosen
from app.serving.snapshot import parts
from app.serving.snapshot.catalogue import Catalogue, Ints
from app.serving.snapshot.live import Floats as Floats
from app.serving.snapshot.live import LiveModel as LiveModel
from app.serving.snapshot.live import placed_model as placed_model
from app.serving.snapshot.rules import programs


@dataclass(frozen=True)
class Config:
    """What people decided: placements, templates, popular lists; `groups` are the numbers of the groups that placements block by id.

    `marks` tell of each live model which manifest was registered. `loaded` has every part by its name; what answers read most has
    a field of its own.
    """

    tenant_name: str
    placements: dict[str, Placed]
    templates: dict[str, Template]
    popular: dict[str, Ints]
    models: dict[str, tuple[int, str]]
    groups: dict[str, int] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)
    loaded: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, document: dict[str, Any]) -> "Config":
        """Load all parts from their JSON-ready form."""
        loaded = {part.name: part.load(document.get(part.name)) for part in parts.PARTS}
        models: dict[str, Chosen] = loaded["models"]
        return cls(
            loaded["tenant"],
            loaded["placements"],
            loaded["templates"],
            loaded["popular"],
            {recommender: (one.model_no, one.version) for recommender, one in models.items()},
            loaded["groups"],
            {recommender: one.mark for recommender, one in models.items() if one.mark},
            loaded,
        )

    @cached_property
    def asking(self) -> frozenset[tuple[str, str]]:
        """The templates, and their formats, that show something of the person."""
        return frozenset((name, form) for name, one in self.templates.items() for form, part in one.parts.items() if part.person)

    def of(self, part: Part[Loaded]) -> Loaded:
        """Return what a part loaded."""
        found: Loaded = self.loaded[part.name]
        return found


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Catalogue, configuration and live models of a tenant at one moment; `age` from `confirmed_at` (monotonic seconds)."""

    tenant: int
    catalogue: Catalogue
    config: Config
    models: dict[str, LiveModel]
    confirmed_at: float
    _popular: dict[tuple[str, str], Ints] = field(default_factory=dict)

    @cached_property
    def programs(self) -> dict[str, Program]:
        """The rules of each placement that has some, ready to act."""
        return programs.made(self.config, self.catalogue)

    @cached_property
    def facts(self) -> Facts:
        """All facts of people, moments and requests, as templates read them."""
        known: Known = self.config.loaded.get("facts", Known())
        return everything(lambda: known.segments)

    def warm(self) -> None:
        """Prepare what the first requests would otherwise wait for: the item index, and what each part asks for."""
        self.catalogue.prepare()
        programs.warm(self.programs)
        for part in parts.PARTS:
            if part.name in self.config.loaded:
                part.warm(self.config.loaded[part.name], self)

    def ready(self, placement: str) -> None:
        """Compute what calls of a placement would wait for in a picture that is made to try something: it may read all items anew."""
        programs.warm(self.programs)
        if placement in self.config.placements:
            self.popular("", self.config.placements[placement].placement.filter)

    def prepare(self, wanted: Filter, recommender: str) -> None:
        """Compute what passes a filter in the list of everybody, and for a recommender's live model."""
        self.popular("", wanted)
        model = self.models.get(recommender)
        if model is not None:
            model.mask_id(wanted, self.catalogue)

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
