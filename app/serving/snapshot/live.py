"""A live model over the catalogue of a snapshot: where its rows are, and the masks of the filters asked for."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from app.decisions.placements.domain import Filter
from app.ml.registry.loader import LoadedModel
from app.serving.snapshot.catalogue import Catalogue, Ints

Floats = NDArray[np.float32]
# Masks of a model: up to so many bytes, but always so many.
_MASK_BYTES, _LEAST_MASKS = 32 * 2**20, 16


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
        if len(self.keys) >= min(256, max(_LEAST_MASKS, _MASK_BYTES // (4 * len(self.groups) + 1))):
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
