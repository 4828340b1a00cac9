"""What rules want of an order holds for whatever candidates there are, and a list is full where there are enough of them."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.decisions.rules.ranking import Candidate, Limit, Need, Ranking, Variety, Wanted, lifted, multiplied

BRANDS = st.lists(st.integers(0, 4), min_size=1, max_size=40)
scores = st.floats(-1e6, 1e6, allow_nan=False)


def listed(brands: list[int], given: list[float]) -> list[Candidate]:
    return [(item, score, "why") for item, score in enumerate(sorted(given, reverse=True))]


@st.composite
def cases(draw: Any) -> tuple[list[int], list[Candidate], int]:
    brands = draw(BRANDS)
    given_ = draw(st.lists(scores, min_size=len(brands), max_size=len(brands)))
    return brands, listed(brands, given_), draw(st.integers(1, 12))


def run(wanted: Wanted, places: int, lists: list[list[Candidate]], pins: Any = ()) -> list[Candidate]:
    ranking = Ranking(wanted, places, pins)
    picks: list[Candidate] = []
    for number, one in enumerate(lists):
        taken = {item for item, _, _ in picks} | {item for _, (item, _, _) in ranking.pins}
        more = ranking.take([each for each in one if each[0] not in taken], last=number == len(lists) - 1)
        ranking.keep(more)
        picks += more
    return ranking.arranged(picks)


def halves(candidates: list[Candidate], cut: int) -> list[list[Candidate]]:
    # the list of everybody, the last one, has them all
    return [candidates[:cut], candidates]


@settings(max_examples=300, deadline=None)
@given(cases(), st.integers(1, 4), st.integers(0, 40))
def test_a_cap_holds_over_all_lists_and_the_list_is_as_full_as_it_can_be(case: Any, most: int, cut: int) -> None:
    brands, candidates, places = case
    wanted = Wanted(limits=[Limit("cap", most, brands.__getitem__)])
    picks = run(wanted, places, halves(candidates, cut))
    counts = Counter(brands[item] for item, _, _ in picks)
    assert max(counts.values(), default=0) <= most
    possible = sum(min(most, many) for many in Counter(brands).values())
    assert len(picks) == min(places, possible)
    assert len({item for item, _, _ in picks}) == len(picks)


@settings(max_examples=300, deadline=None)
@given(cases(), st.integers(0, 12), st.integers(0, 4), st.integers(0, 40))
def test_a_share_is_reached_as_far_as_there_are_members_and_never_empties_a_list(case: Any, least: int, brand: int, cut: int) -> None:
    brands, candidates, places = case
    least = min(least, places)
    wanted = Wanted(needs=[Need("share", least, lambda item: brands[item] == brand)])
    picks = run(wanted, places, halves(candidates, cut))
    assert len(picks) == min(places, len(brands))
    assert sum(brands[item] == brand for item, _, _ in picks) >= min(least, brands.count(brand), len(picks))


@settings(max_examples=300, deadline=None)
@given(cases(), st.lists(st.sampled_from([0.01, 0.5, 1.0, 1.5, 20.0]), min_size=5, max_size=5))
def test_factors_order_as_a_full_sort_does_though_only_the_head_of_the_list_is_read(case: Any, factors: list[float]) -> None:
    brands, candidates, places = case
    read: list[int] = []

    def reading() -> Any:
        for one in candidates:
            read.append(one[0])
            yield one

    ranking = Ranking(Wanted(factor=lambda item: factors[brands[item]], largest=max(1.0, *factors)), places)
    picks = ranking.take(reading())
    best = sorted(candidates, key=lambda one: (-lifted(one[1], factors[brands[one[0]]]), one[0]))
    assert [item for item, _, _ in picks] == [item for item, _, _ in best[:places]]


@settings(max_examples=300, deadline=None)
@given(cases(), st.lists(st.integers(0, 14), max_size=4))
def test_pins_hold_their_places_count_for_caps_and_are_never_turned_away(case: Any, at: list[int]) -> None:
    brands, candidates, places = case
    pins = [(place, candidates[number]) for number, place in enumerate(at) if number < len(candidates)]
    wanted = Wanted(limits=[Limit("cap", 1, brands.__getitem__)])
    picks = run(wanted, places, [candidates], pins)
    ranking = Ranking(wanted, places, pins)
    assert len(picks) <= places
    for place, (item, _, _) in ranking.pins:
        shown = [one for one, _, _ in picks]
        assert shown[min(place, len(shown) - 1)] == item or shown.index(item) <= place
    pinned = {item for _, (item, _, _) in ranking.pins}
    others = Counter(brands[item] for item, _, _ in picks if item not in pinned)
    assert all(many <= 1 for many in others.values())
    assert not {brands[item] for item in pinned} & set(others)


@settings(max_examples=300, deadline=None)
@given(cases(), st.floats(0, 1))
def test_diversity_keeps_every_item_that_fits_and_is_the_order_of_scores_at_one(case: Any, relevance: float) -> None:
    brands, candidates, places = case
    picks = run(Wanted(variety=Variety("mmr", relevance, brands.__getitem__)), places, [candidates])
    assert len(picks) == min(places, len(brands))
    plain = run(Wanted(variety=Variety("mmr", 1.0, brands.__getitem__)), places, [candidates])
    assert [score for _, score, _ in plain] == [score for _, score, _ in candidates[:places]]
    varied = run(Wanted(variety=Variety("mmr", 0.0, brands.__getitem__)), places, [candidates])
    window = candidates[: 4 * places]
    kinds = len({brands[item] for item, _, _ in window})
    assert len({brands[item] for item, _, _ in varied[:kinds]}) == min(kinds, len(varied))


def test_diversity_is_maximal_marginal_relevance() -> None:
    brands = [0, 0, 0, 1, 2]
    candidates = [(0, 1.0, ""), (1, 0.9, ""), (2, 0.8, ""), (3, 0.5, ""), (4, 0.0, "")]
    order = run(Wanted(variety=Variety("mmr", 0.5, brands.__getitem__)), 5, [candidates])

    def naive() -> list[int]:
        left, chosen = {item: score for item, score, _ in candidates}, list[int]()
        while left:
            worth = {item: 0.5 * score - 0.5 * any(brands[item] == brands[one] for one in chosen) for item, score in left.items()}
            best = max(left, key=lambda item: (worth[item], -item))
            chosen.append(best)
            del left[best]
        return chosen

    assert [item for item, _, _ in order] == naive()


@pytest.mark.parametrize("score", [5.0, -5.0, 0.0, 1e300, -1e300])
def test_a_factor_moves_scores_the_way_it_says_also_below_zero(score: float) -> None:
    assert lifted(score, 2.0) >= min(score, 1e30)
    assert lifted(score, 0.5) <= max(score, -1e30)
    assert abs(lifted(score, 1000.0)) <= 1e30


def test_a_boosted_list_is_read_only_as_far_as_a_later_candidate_could_still_come_first() -> None:
    candidates = [(item, 100.0 - item, "") for item in range(100)]
    read: list[int] = []

    def reading() -> Any:
        for one in candidates:
            read.append(one[0])
            yield one

    picks = Ranking(Wanted(factor=lambda item: 1.05 if item % 2 else 1.0, largest=1.05), 4).take(reading())
    assert [item for item, _, _ in picks] == [1, 3, 0, 5]
    assert len(read) < 12


@pytest.mark.parametrize("places", [2, 4])
def test_a_part_that_is_less_than_one_place_lets_no_item_in(places: int) -> None:
    candidates = [(item, float(9 - item), "") for item in range(6)]
    wanted = Wanted(limits=[Limit("few-odd", 0, lambda item: 0 if item % 2 else -1)])
    assert [item for item, _, _ in run(wanted, places, [candidates])] == [0, 2, 4][:places]


def test_items_put_last_come_behind_all_others_and_still_fill_the_list() -> None:
    candidates = [(item, float(9 - item), "") for item in range(6)]
    picks = run(Wanted(last=lambda item: item in (0, 1)), 5, [candidates])
    assert [item for item, _, _ in picks] == [2, 3, 4, 5, 0]


def test_what_held_candidates_back_is_known_by_the_name_of_the_rule() -> None:
    ranking = Ranking(Wanted(limits=[Limit("few-acme", 1, lambda item: 0)]), 3)
    assert len(ranking.take([(item, 1.0, "") for item in range(5)])) == 1
    assert ranking.held == {"few-acme": 4}


@given(st.lists(st.tuples(st.floats(allow_nan=False), st.floats(1e-6, 1e6)), max_size=20))
def test_many_scores_are_lifted_as_one_is(given_: list[tuple[float, float]]) -> None:
    found = multiplied(np.array([score for score, _ in given_]), np.array([factor for _, factor in given_]))
    assert found.tolist() == [lifted(score, factor) for score, factor in given_]
