"""Scores many people in one run: states in, finished values of candidate lists out. Pure, and made for a thread of its own."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.data.profiles.state_codec import State, history_digest, unpack_state
from app.decisions.placements.domain import Filter
from app.ml import contract
from app.ml.contract import Batch, Floats, Ints
from app.ml.registry.loader import LoadedModel
from app.sends.domain import spell_made_for
from app.serving.model import candidates
from app.serving.snapshot.catalogue import Catalogue
from app.serving.snapshot.live import LiveModel

PEOPLE = 64
"""People a call of `score`: enough that a thread is worth waking, few enough that others get their turn."""
_LEAST_RUN = 4
# How every list begins: format, model number, and the digest of the history it was scored with.
_HEAD = struct.Struct("<BIQ")
HEAD_BYTES = _HEAD.size


@dataclass(frozen=True)
class Target:
    """What lists are made for, at one moment: a live model over a catalogue, and what the placement says.

    `masks` float32[M,N] and the row `mask_id` of the placement's filter; `k` candidates a person.
    """

    recommender: str
    model: LiveModel
    catalogue: Catalogue
    wanted: Filter
    k: int
    least_confidence: float
    masks: Floats
    mask_id: int

    @property
    def made_for(self) -> str:
        """The name of what these lists are good for."""
        return spell_made_for(self.recommender, self.model.model_no, self.wanted.key, self.k, self.least_confidence)


def is_current(head: bytes | None, model_no: int, digest: int) -> bool:
    """Tell from the first `HEAD_BYTES` of a list whether it comes from this model and this history."""
    if head is None or len(head) < HEAD_BYTES:
        return False
    form, made_by, made_with = _HEAD.unpack_from(head)
    return bool(form == candidates.FORMAT and made_by == model_no and made_with == digest)


def score(target: Target, values: Sequence[bytes], now: float) -> list[bytes | None]:
    """Return the candidate list of each packed state, as serving would keep it; `now` in unix seconds.

    None for a person of whom the model knows too little, as serving would then not ask it.
    """
    found: list[bytes | None] = [None] * len(values)
    places, states = [], []
    for place, value in enumerate(values):
        state = unpack_state(value)
        if state is not None and len(state.groups):
            places.append(place)
            states.append(state)
    if not states:
        return found
    batch, known = assemble(target.model.loaded, states, now)
    enough = _enough(target, batch, known)
    if not enough.all():
        kept = np.flatnonzero(enough)
        places, states = [places[i] for i in kept], [states[i] for i in kept]
        batch = Batch(batch.history[kept], batch.kind[kept], batch.age[kept], batch.times[kept], batch.amount[kept])
    if states:
        digests = [history_digest(values[place]) for place in places]
        for place, packed in zip(places, _lists(target, batch, states, digests), strict=True):
            found[place] = packed
    return found


def assemble(loaded: LoadedModel, states: Sequence[State], now: float) -> tuple[Batch, Ints]:
    """Build the batch of people's histories, and return how many rows of each the model knows, int64[B]."""
    people, limit = len(states), loaded.manifest.history_items
    row = loaded.row_of(np.concatenate([state.groups for state in states]))
    owner = np.repeat(np.arange(people), [len(state.groups) for state in states])
    known = row >= 0
    owner = owner[known]
    count = np.bincount(owner, minlength=people)
    # places from the left, so that of a longer history the newest entries stay
    place = np.arange(len(owner)) - (np.cumsum(count) - count)[owner] - np.maximum(count - limit, 0)[owner]
    kept = place >= 0
    owner, place = owner[kept], place[kept]
    shape = (people, max(1, int(min(limit, count.max(initial=0)))))
    last_at = np.concatenate([state.last_at for state in states]).astype(np.float64)
    columns = (
        row,
        np.concatenate([state.kinds for state in states]),
        np.maximum(now - last_at, 0) / 86_400,
        np.concatenate([state.times for state in states]),
        np.concatenate([state.amounts for state in states]),
    )
    arrays = []
    for (name, kind), column in zip(contract.BODY_INPUTS.items(), columns, strict=True):
        array: NDArray[np.generic] = np.full(shape, contract.PAD if name == contract.HISTORY else 0, kind)
        array[owner, place] = column[known][kept]
        arrays.append(array)
    return Batch(*arrays), count  # type: ignore[arg-type]


def _enough(target: Target, batch: Batch, known: Ints) -> NDArray[np.bool_]:
    """Tell of whom the model knows enough for this placement; bool[B]."""
    enough = known > 0
    if target.least_confidence:
        for place in np.flatnonzero(enough):
            own = (place, slice(int(min(known[place], batch.history.shape[1]))))
            history = contract.History(batch.history[own], batch.kind[own], batch.age[own], batch.times[own], batch.amount[own])
            enough[place] = target.model.loaded.confidence(history) >= target.least_confidence
    return np.asarray(enough, np.bool_)


def excluded(loaded: LoadedModel, states: Sequence[State], *, seen: bool = False) -> Ints:
    """Return the rows that people have bought, and with `seen` all of their history, int64[B,E] padded with -1."""
    groups = [np.concatenate([state.bought, state.groups]) if seen else state.bought for state in states]
    row = loaded.row_of(np.concatenate(groups))
    owner = np.repeat(np.arange(len(states)), list(map(len, groups)))
    owner, row = owner[row >= 0], row[row >= 0]
    count = np.bincount(owner, minlength=len(states))
    out = np.full((len(states), max(1, int(count.max(initial=0)))), contract.PAD, np.int64)
    out[owner, np.arange(len(owner)) - (np.cumsum(count) - count)[owner]] = row
    return out


def _lists(target: Target, batch: Batch, states: Sequence[State], digests: Sequence[int]) -> list[bytes]:
    model = target.model
    wanted = target.wanted
    exclude = excluded(model.loaded, states, seen=wanted.exclude_seen) if wanted.exclude_bought or wanted.exclude_seen else None
    size = max(_LEAST_RUN, model.loaded.batch)  # as measured when the model was loaded: larger runs leave the CPU's caches
    runs = []
    for first in range(0, len(states), size):
        part = slice(first, first + size)
        own = Batch(batch.history[part], batch.kind[part], batch.age[part], batch.times[part], batch.amount[part])
        ids = np.full(len(own.history), target.mask_id, np.int64)
        runs.append(model.loaded.score_top(own, target.k, None if exclude is None else exclude[part], target.masks, ids))
    rows, scores = (np.concatenate(column) for column in zip(*runs, strict=True))
    numbers = target.catalogue.group_no[model.groups[rows]]
    good = scores > -np.inf
    lists = []
    for place, digest in enumerate(digests):
        mine = good[place]
        groups, own = (numbers[place], scores[place]) if mine.all() else (numbers[place][mine], scores[place][mine])
        lists.append(candidates.pack(model.model_no, digest, groups, own))
    return lists
