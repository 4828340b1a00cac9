"""Packed lists: groups and the first scores exactly, the later scores in levels, anything else a miss."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.serving.model.candidates import EXACT, FORMAT, pack, unpack

GROUPS = st.integers(0, 2**32 - 1) | st.integers(0, 2**17) | st.integers(2**24 - 2, 2**24 + 2)
SCORES = st.floats(width=32, allow_nan=False, allow_infinity=False) | st.floats(0, 1, width=32)
LISTS = st.lists(st.tuples(GROUPS, SCORES), max_size=150).map(lambda entries: sorted(entries, key=lambda entry: -entry[1]))


@given(LISTS, st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1))
def test_a_list_comes_back_with_its_groups_and_first_scores(entries: list[tuple[int, float]], model_no: int, seq: int) -> None:
    groups, scores = [group for group, _ in entries], [score for _, score in entries]
    found = unpack(pack(model_no, seq, groups, scores))
    assert found is not None
    assert (found.model_no, found.made_from, len(found.groups), len(found.scores)) == (model_no, seq, len(entries), len(entries))
    assert list(found.groups) == groups
    numbers, whole = found.arrays()
    assert list(zip(numbers.tolist(), whole.tolist(), strict=True)) == list(found)
    assert list(found.scores)[:EXACT] == scores[:EXACT]
    later, given_later = np.array(list(found.scores)[EXACT:]), np.array(scores[EXACT:])
    if len(later):
        span = given_later.max() - given_later.min()
        # half a level, and what 32-bit arithmetic adds to numbers of this size
        assert (np.abs(later - given_later) <= span / 510 + 1e-5 * span + 1e-6 * np.abs(given_later).max()).all()
        assert (np.diff(later) <= 0).all()


def test_entries_are_plain_numbers_by_index_slice_and_turn() -> None:
    groups, scores = list(range(70_000, 70_100)), [1 - place / 100 for place in range(100)]
    found = unpack(pack(1, 2, np.array(groups), np.array(scores, np.float32)))
    assert found is not None
    assert (found.groups[0], found.groups[11], found.groups[12], found.groups[99], found.groups[-1]) == (
        70_000,
        70_011,
        70_012,
        70_099,
        70_099,
    )
    assert found.groups[10:14] == [70_010, 70_011, 70_012, 70_013]
    assert all(type(one) is int for one in found.groups)
    assert all(type(one) is float for one in found.scores)
    assert list(found.groups) == groups, "a second turn gives the same"
    assert next(zip(found.groups, found.scores, strict=True)) == (70_000, 1.0)


def test_scores_that_no_level_can_tell_stay_as_they_are_and_those_that_no_json_holds_are_a_miss() -> None:
    scores = [3e38] * 3 + [1.0] * 20 + [-3e38] * 10
    found = unpack(pack(1, 2, list(range(33)), scores))
    assert found is not None
    assert list(found.scores) == [float(np.float32(score)) for score in scores]
    for bad, places in ((np.inf, (0, 11)), (-np.inf, (0, 11, 32)), (np.nan, (0, 11, 32))):
        for place in places:
            changed = [1.0 - at / 100 for at in range(33)]
            changed[place] = bad
            assert unpack(pack(1, 2, list(range(33)), changed)) is None
    equal = unpack(pack(1, 2, list(range(33)), [0.25] * 33))
    assert equal is not None
    assert list(equal.scores) == [0.25] * 33


def test_a_hundred_entries_of_a_shop_of_a_hundred_thousand_take_less_than_four_bytes_each() -> None:
    numbers = np.random.default_rng(1).choice(100_000, 100, replace=False)
    assert len(pack(1, 2, numbers, np.linspace(1, 0, 100))) <= 396


@given(st.binary(max_size=300))
def test_any_other_bytes_are_a_miss_and_never_raise(value: bytes) -> None:
    assert unpack(None) is None
    assert unpack(bytes((FORMAT - 1,)) + value) is None
    for noise in (value, bytes((FORMAT,)) + value):
        found = unpack(noise)
        if found is not None:
            assert len(list(found.groups)) == len(list(found.scores)) == len(found.groups)


def test_a_truncated_list_is_a_miss() -> None:
    value = pack(1, 2, list(range(40)), [float(-n) for n in range(40)])
    assert all(unpack(value[:end]) is None for end in range(len(value)))
