"""Histories made from events, and the batch made from histories."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ml import contract
from app.ml.evaluation import holdout
from app.ml.interactions import interactions
from app.ml.recommenders.weighting import INTEREST, Weighting, places

VIEW, CART, PURCHASE = 3, 5, 7


def test_an_entry_has_the_strongest_kind_its_times_and_amount_and_the_age_of_the_last_event() -> None:
    events = [
        (0, 1, PURCHASE, 30, 100, 2),
        (0, 1, PURCHASE, 30, 100, 3),
        (0, 1, PURCHASE, 10, 101, 1),
        (0, 1, VIEW, 2, -1, 1),
        (0, 0, VIEW, 5, -1, 1),
        (0, 0, VIEW, 1, -1, 1),
    ]
    own = interactions([10, 20], 1, events).histories.of(0)
    assert own.row.tolist() == [1, 0]
    assert own.kind.tolist() == [PURCHASE, VIEW]
    assert own.age.tolist() == [2, 1]
    assert own.times.tolist() == [2, 2]
    assert own.amount.tolist() == [6, 2]


def test_purchases_without_an_order_count_one_by_one() -> None:
    own = interactions([10], 1, [(0, 0, PURCHASE, 3, -1, 1), (0, 0, PURCHASE, 2, -1, 1), (0, 0, PURCHASE, 1, 8, 1)]).histories.of(0)
    assert own.times.tolist() == [3]


def test_people_without_events_have_empty_histories() -> None:
    made = interactions([10], 3, [(1, 0, VIEW, 3, -1, 1)]).histories
    assert [len(made.of(person).row) for person in range(3)] == [0, 1, 0]


def test_batch_keeps_the_newest_and_pads_on_the_right() -> None:
    batch = contract.assemble([contract.history([4, 5, 6], [7, 3, 3], [9, 2, 1], [1, 1, 1], [1, 1, 1]), contract.history()], limit=2)
    assert batch.history.tolist() == [[5, 6], [-1, -1]]
    assert batch.age.tolist() == [[2, 1], [0, 0]]
    assert [array.dtype for array in batch] == list(contract.BODY_INPUTS.values())


def test_batch_of_empty_histories_is_one_column_wide() -> None:
    assert contract.assemble([contract.history()]).history.tolist() == [[-1]]
    assert contract.pad([[], [3]]).tolist() == [[-1], [3]]


def test_history_of_uneven_parts_is_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        contract.history([1, 2], [7], [1], [1], [1])


def test_weights_follow_kind_age_times_and_amount() -> None:
    weighting = Weighting(INTEREST, half_life_days=10, times_power=0.5, amount_power=1)
    batch = contract.assemble([contract.history([0, 1], [PURCHASE, CART], [10, 0], [4, 1], [3, 0])])
    np.testing.assert_allclose(weighting.of(batch), [[0.5 * 2 * 3, 0.5]], rtol=1e-6)


@pytest.mark.parametrize("wrong", [{"kind_weights": (1.0,)}, {"half_life_days": 0.0}])
def test_impossible_weightings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Weighting(**wrong)  # type: ignore[arg-type]


def test_holdout_targets_are_later_purchases_of_known_people_and_rows() -> None:
    events = [
        (0, 0, PURCHASE, 50, 1, 1),
        (0, 1, PURCHASE, 40, 1, 1),
        (0, 1, PURCHASE, 5, 2, 1),
        (0, 0, VIEW, 4, -1, 1),
        (0, 2, PURCHASE, 3, 2, 1),
        (1, 0, PURCHASE, 3, 3, 1),
    ]
    held = holdout.split(interactions([1, 2, 3], 2, events), days=30)
    assert {person: rows.tolist() for person, rows in held.targets.items()} == {0: [1]}
    assert sorted(held.before.age.tolist()) == [10, 20]


def test_holdout_of_a_site_without_purchases_takes_clicks_and_views() -> None:
    events = [(0, 0, VIEW, 50, -1, 1), (0, 1, VIEW, 40, -1, 1), (0, 1, VIEW, 5, -1, 1), (0, 0, 1, 5, -1, 1)]
    held = holdout.split(interactions([1, 2], 1, events), days=30)
    assert {person: rows.tolist() for person, rows in held.targets.items()} == {0: [1]}


def test_ages_of_single_precision_tell_apart_what_happened_a_second_apart_years_ago() -> None:
    now, moment = 26_000 * 86_400, np.array([100, 101, 101, 102, 90_000], np.int64)
    age = ((now - moment) / 86_400).astype(np.float32)
    assert len(np.unique(age)) < 4
    told = contract.told_apart(age, moment)
    assert (np.diff(told) < 0).tolist() == [True, False, True, True]
    np.testing.assert_allclose(told, age, rtol=1e-6)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2_000_000_000)), max_size=40))
def test_told_apart_each_person_s_ages_follow_their_moments(events: list[tuple[int, int]]) -> None:
    events = sorted(events)
    person, moment = (np.array([event[part] for event in events], np.int64) for part in (0, 1))
    age = ((2_000_000_000 - moment) / 86_400).astype(np.float32)
    told = contract.told_apart(age, moment, person)
    for one in range(4):
        mine = person == one
        assert (np.sign(np.diff(told[mine].astype(np.float64))) == -np.sign(np.diff(moment[mine]))).all()
    np.testing.assert_allclose(told, age, rtol=1e-5, atol=1e-40)


def test_places_count_later_moments_and_what_happened_at_once_shares_one() -> None:
    age, known = np.array([[9, 5, 5, 1, 0], [3, 2, 0, 0, 0]], np.float32), np.array([[1, 1, 1, 1, 0], [1, 1, 0, 0, 0]], bool)
    assert places(age, known)[0, :4].tolist() == [2, 1, 1, 0]
    assert places(age, known)[1, :2].tolist() == [1, 0]
    data = interactions(np.arange(4), 2, [(0, 0, VIEW, 9, -1, 1), (0, 1, VIEW, 5, 1, 1), (0, 2, VIEW, 5, 1, 1), (1, 3, VIEW, 2, -1, 1)])
    assert data.histories.place.tolist() == [1, 0, 0, 0]
