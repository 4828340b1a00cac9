"""Scoring in bulk gives what serving gives one person at a time."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from app.core.db import Database
from app.core.settings import Settings
from app.data.profiles.state_codec import State, empty_state, history_digest, pack_state, unpack_state
from app.decisions.placements.domain import Filter
from app.ml import contract
from app.ml.contract import Ints
from app.sends import batch
from app.sends.batch import HEAD_BYTES, Target
from app.serving.model import candidates
from app.serving.snapshot.holder import Holder
from tests.serving.shop import stock

NOW = 1_800_000_000.0
WANTED = Filter(categories=("Shoes", "Hats"), exclude_bought=True)


@pytest.fixture
async def target(settings: Settings, db: Database) -> Target:
    """The tiny shop's own model, with a filter that leaves half of its 120 items."""
    await stock(db, settings)
    holder = Holder(db, settings, lambda directory: None)
    await holder.start()
    snapshot = holder.current[1]
    model = snapshot.models["personal"]
    number = model.mask_id(WANTED, snapshot.catalogue)
    return Target("personal", model, snapshot.catalogue, WANTED, 100, 0.0, model.masks, number)


def people(target: Target, count: int = 150) -> list[State]:
    """Return people with histories of all lengths, some with groups that no model knows, some who bought a lot."""
    random = np.random.default_rng(2)
    known = target.catalogue.group_no
    found = []
    for number in range(count):
        size, bought = int(random.integers(0, 60)), int(random.integers(0, 50))
        groups = random.choice(np.concatenate([known, [70_000, 70_001, 4_000_000_000]]), size, replace=False).astype(np.uint32)
        own = random.choice(known, bought, replace=False).astype(np.uint32)
        found.append(
            empty_state(number + 1, number + 1, None)._replace(
                groups=groups,
                last_at=(NOW - random.uniform(0, 200 * 86_400, size)).astype(np.uint32),
                kinds=random.integers(2, 8, size).astype(np.uint8),
                times=random.integers(1, 9, size).astype(np.uint16),
                amounts=random.integers(1, 9, size).astype(np.float32),
                bought=own,
                bought_day=np.full(bought, 20_000, np.uint16),
            )
        )
    return found


def one_by_one(target: Target, state: State) -> tuple[Ints, Any] | None:
    """Return groups and scores as serving scores a single person."""
    loaded = target.model.loaded
    age = np.maximum(NOW - state.last_at.astype(np.float64), 0) / 86_400
    history = loaded.history(state.groups, state.kinds, age, state.times, state.amounts)
    if not len(history.row) or loaded.confidence(history) < target.least_confidence:
        return None
    bought = loaded.row_of(state.bought)
    rows, scores = loaded.score_top(
        loaded.assemble([history]), target.k, contract.pad([bought[bought >= 0]]), target.masks, np.array([target.mask_id])
    )
    good = scores[0] > -np.inf
    return target.catalogue.group_no[target.model.groups[rows[0][good]]], scores[0][good]


def test_bulk_lists_are_those_that_serving_would_keep(target: Target) -> None:
    packed = [pack_state(state) for state in people(target)]
    states = [state for value in packed if (state := unpack_state(value)) is not None]
    found = batch.score(target, packed, NOW)
    lengths = set()
    for state, given, value in zip(states, packed, found, strict=True):
        expected = one_by_one(target, state)
        if expected is None:
            assert value is None
            continue
        listed = candidates.unpack(value)
        assert listed is not None
        assert (listed.model_no, listed.made_from) == (target.model.model_no, history_digest(given))
        groups, scores = expected
        assert len(listed.groups) == len(groups)
        assert np.allclose(list(listed.scores)[: candidates.EXACT], scores[: candidates.EXACT], rtol=1e-4)
        # equal scores may change places
        assert np.isclose(sorted(listed.groups), sorted(groups.tolist())).mean() > 0.95
        lengths.add(len(groups))
    assert sum(value is None for value in found) < 20
    assert len(lengths) > 10, "the filter and what was bought leave lists of many lengths"


def test_of_a_long_history_the_newest_entries_count(target: Target) -> None:
    short = replace(target.model.loaded.manifest, history_items=3)
    target.model.loaded.manifest = short
    test_bulk_lists_are_those_that_serving_would_keep(target)


def test_people_of_whom_too_little_is_known_get_no_list(target: Target) -> None:
    sure = replace(target, least_confidence=0.8)
    states = people(target)
    found = batch.score(sure, [pack_state(state) for state in states], NOW)
    expected = [one_by_one(sure, state) is None for state in states]
    assert [value is None for value in found] == expected
    assert 5 < sum(expected) < 100


def test_values_that_are_no_state_get_no_list(target: Target) -> None:
    whole = pack_state(people(target)[1])
    assert batch.score(target, [b"", b"\x09" * 40, whole[:-3], pack_state(empty_state(1, 1, True))], NOW) == [None] * 4
    assert batch.score(target, [], NOW) == []


def test_a_list_is_current_by_its_first_bytes(target: Target) -> None:
    value = candidates.pack(5, 77, [1, 2, 3], [0.3, 0.2, 0.1])
    head = value[:HEAD_BYTES]
    assert batch.is_current(head, 5, 77)
    assert not batch.is_current(head, 6, 77)
    assert not batch.is_current(head, 5, 78)
    assert not batch.is_current(bytes((candidates.FORMAT + 1,)) + head[1:], 5, 77)
    assert not batch.is_current(head[:-1], 5, 77)
    assert not batch.is_current(None, 5, 77)
