"""Each recommender against the shared contract, and what is special to it."""

import numpy as np

from app.ml import contract
from app.ml.interactions import Interactions, interactions
from app.ml.recommenders.again.fit import Again
from app.ml.recommenders.als.fit import Als
from app.ml.recommenders.blend.fit import Blend, Member
from app.ml.recommenders.buy_again.fit import BuyAgain
from app.ml.recommenders.ease.fit import Ease
from app.ml.recommenders.item_to_item.fit import ItemToItem
from app.ml.recommenders.neighbours import Dense
from app.ml.recommenders.popular.fit import Popular
from app.ml.recommenders.transitions.fit import Transitions
from app.ml.recommenders.weighting import INTEREST, NEVER, PURCHASES, Weighting
from tests.contracts.recommender import RecommenderContract, bought
from tests.ml.shops import HALF, ROWS


class TestPopular(RecommenderContract):
    recommender = Popular()
    ndcg_floor, excluded_floor = 0.29, 0.24
    fills = True

    def test_a_recent_event_counts_more_than_an_old_one(self) -> None:
        data = interactions([1, 2], 3, [(0, 0, 7, 28, -1, 1), (1, 0, 7, 28, -1, 1), (2, 1, 7, 1, -1, 1)])
        assert Popular(half_life_days=14).fit(data, np.random.default_rng(0)).share.argmax() == 1
        assert Popular(half_life_days=365).fit(data, np.random.default_rng(0)).share.argmax() == 0


class TestBuyAgain(RecommenderContract):
    recommender = BuyAgain()
    ndcg_floor, excluded_floor = 0.25, 0.0
    own_only = True

    def test_what_was_ordered_often_and_lately_comes_first(self) -> None:
        data = interactions([1, 2, 3], 1, [(0, row, 7, 1, row, 1) for row in range(3)])
        model = BuyAgain().fit(data, np.random.default_rng(0))
        batch = contract.assemble([bought([0, 1, 2], times=[1, 5, 1], age=[300, 20, 10])])
        assert (-model.score(batch)[0]).argsort().tolist() == [1, 2, 0]

    def test_what_was_only_viewed_is_not_bought_again(self) -> None:
        data = interactions([1, 2], 1, [(0, 0, 7, 1, 0, 1), (0, 1, 3, 1, -1, 1)])
        model = BuyAgain().fit(data, np.random.default_rng(0))
        assert model.score(contract.assemble([data.histories.of(0)]))[0].tolist()[1] == 0


class TestAgain(RecommenderContract):
    recommender = Again()
    ndcg_floor, excluded_floor = 0.22, 0.0
    own_only = True

    def test_each_kind_of_event_returns_by_its_own_rhythm(self) -> None:
        """People look at what they looked at last, and never at what they bought."""
        events = []
        for person in range(300):
            events += [(person, person % 7, 7, 9.0, -1, 1.0)]
            events += [(person, 10 + person % 11, 3, 3.0, -1, 1.0), (person, 30 + person % 5, 3, 2.0, -1, 1.0)]
            events += [(person, (30 if person % 4 else 10) + person % (5 if person % 4 else 11), 2, 1.0, -1, 1.0)]
        data = interactions(np.arange(40), 300, [(p, r, k, a, o, m) for p, r, k, a, o, m in events if k != 7 or p % 2])
        model = Again().fit(data.only(data.kind != 7), np.random.default_rng(0))
        batch = contract.assemble([contract.history([10, 30], [3, 3], [3, 2], [1, 1], [1, 1])])
        score = model.score(batch)[0]
        assert score[30] > score[10] > 0
        # a probability: three in four come back to the last, one in four to the one before
        np.testing.assert_allclose([score[30], score[10]], [0.75, 0.25], atol=0.15)

    def test_where_nobody_comes_back_a_return_is_said_to_be_unlikely(self) -> None:
        data = interactions(
            np.arange(400), 80, [(person, person * 5 + at, 7, 5.0 - at, at, 1.0) for person in range(80) for at in range(5)]
        )
        model = Again().fit(data, np.random.default_rng(0))
        assert 0 < model.score(contract.assemble([data.histories.of(0)])).max() < 0.02

    def test_with_a_single_moment_of_everybody_the_latest_comes_first(self) -> None:
        data = interactions(np.arange(5), 5, [(person, person, 7, 1.0, 1, 1.0) for person in range(5)])
        model = Again().fit(data, np.random.default_rng(0))
        assert (-model.score(contract.assemble([bought([0, 1, 2])]))[0]).argsort()[:3].tolist() == [2, 1, 0]


class TestTransitions(RecommenderContract):
    recommender = Transitions()
    ndcg_floor, excluded_floor = 0.3, 0.3

    def test_what_followed_counts_and_what_went_before_does_not(self) -> None:
        data = interactions([1, 2, 3], 2, [(one, at, 3, 3.0 - at, -1, 1) for one in range(2) for at in range(3)])
        score = Transitions().fit(data, np.random.default_rng(0)).score(contract.assemble([contract.history([1], [3], [1], [1], [1])]))[0]
        assert score[2] > 0
        assert score[0] == score[1] == 0

    def test_a_pair_counts_by_its_distance_and_both_totals(self) -> None:
        data = interactions([1, 2, 3], 1, [(0, at, 7, 3.0 - at, at, 1) for at in range(3)])
        lasting = Weighting(INTEREST, NEVER)
        model = Transitions(lasting, lasting, distance_power=1.0, from_power=0.0, to_power=0.0).fit(data, np.random.default_rng(0))
        assert isinstance(model, Dense)
        np.testing.assert_allclose(model.weight, [[0, 1, 0.5], [0, 0, 1], [0, 0, 0]], atol=1e-6)
        halved = Transitions(lasting, lasting, distance_power=1.0, from_power=1.0, to_power=0.0).fit(data, np.random.default_rng(0))
        assert isinstance(halved, Dense)
        np.testing.assert_allclose(halved.weight[0], [0, 1 / 1.5, 0.5 / 1.5], atol=1e-6)

    def test_looking_at_a_thing_for_long_moves_nothing_apart(self) -> None:
        once = [(0, 0, 3, 5.0, -1, 1), (0, 1, 3, 1.0, -1, 1)]
        often = [*once, *((0, 0, kind, age, -1, 1) for kind, age in ((3, 4.0), (5, 3.0), (7, 2.0)))]
        found = [Transitions().fit(interactions([1, 2], 1, events), np.random.default_rng(0)) for events in (once, often)]
        np.testing.assert_allclose(found[0].weight, found[1].weight, rtol=1e-6)

    def test_lines_of_one_order_follow_nothing_among_themselves_and_weigh_as_one_moment(self) -> None:
        events = [(0, row, 7, 2.0, 1, 1) for row in range(4)] + [(0, 4, 7, 1.0, 2, 1)]
        lasting = Weighting(INTEREST, NEVER)
        model = Transitions(lasting, lasting, from_power=0.0, to_power=0.0).fit(
            interactions(np.arange(5), 1, events), np.random.default_rng(0)
        )
        assert isinstance(model, Dense)
        assert not model.weight[:4, :4].any()
        np.testing.assert_allclose(model.weight[:4, 4], 0.5, rtol=1e-6)

    def test_of_a_long_history_the_latest_moments_are_read(self) -> None:
        data = interactions(np.arange(60), 1, [(0, row, 3, 60.0 - row, -1, 1) for row in range(60)])
        batch = contract.assemble([data.histories.of(0)])
        few, all_ = (Transitions(entries=count).fit(data, np.random.default_rng(0)).score(batch)[0] for count in (4, 0))
        assert not few[:56].any()
        assert all_[:56].any()
        np.testing.assert_allclose(few[58:], all_[58:], rtol=0.3)


class TestTransitionsOfFewEntries(RecommenderContract):
    recommender = Transitions(entries=2)
    ndcg_floor, excluded_floor = 0.2, 0.2


class TestTransitionsWithNearestRows(RecommenderContract):
    recommender = Transitions(dense_rows=0)
    ndcg_floor, excluded_floor = 0.3, 0.3


class TestEaseOfTheLatestMoments(RecommenderContract):
    recommender = Ease(scoring=Weighting(half_life_places=3.0))
    ndcg_floor, excluded_floor = 0.40, 0.42


class TestItemToItem(RecommenderContract):
    recommender = ItemToItem()
    ndcg_floor, excluded_floor = 0.39, 0.42

    def test_similarity_is_the_cosine_over_people(self) -> None:
        events = [(0, 0, 7, 1e-6, 0, 1), (0, 1, 7, 1e-6, 0, 1), (1, 0, 7, 1e-6, 1, 1), (2, 1, 7, 1e-6, 2, 1), (2, 2, 7, 1e-6, 2, 1)]
        model = ItemToItem(shrinkage=0).fit(interactions([1, 2, 3], 3, events), np.random.default_rng(0))
        score = model.score(contract.assemble([bought([0], age=[0])]))
        np.testing.assert_allclose(score, [[0, 0.5, 0]], rtol=1e-5)


class TestItemToItemWithNearestRows(RecommenderContract):
    recommender = ItemToItem(dense_rows=0)
    ndcg_floor, excluded_floor = 0.39, 0.42

    def test_only_the_nearest_rows_are_kept(self, shop: Interactions) -> None:
        all_rows = ItemToItem().fit(shop, np.random.default_rng(0))
        nearest = ItemToItem(dense_rows=0, neighbours=3).fit(shop, np.random.default_rng(0))
        batch = contract.assemble([bought([5])])
        score, few = all_rows.score(batch)[0], nearest.score(batch)[0]
        best = np.argsort(-score)[:3]
        assert set(np.flatnonzero(few).tolist()) == set(best.tolist())
        np.testing.assert_allclose(few[best], score[best], rtol=1e-6)


class TestEase(RecommenderContract):
    recommender = Ease()
    ndcg_floor, excluded_floor = 0.40, 0.42

    def test_dense_weights_are_the_closed_form(self, shop: Interactions) -> None:
        plain = Weighting(half_life_days=1e9)
        model = Ease(plain, plain, penalty=10, popularity_power=0).fit(shop, np.random.default_rng(0))
        seen = np.zeros((shop.people, shop.rows))
        seen[shop.person, shop.row] = 1
        inverse = np.linalg.inv(seen.T @ seen + 10 * np.eye(shop.rows))
        expected = -inverse / np.diag(inverse)
        np.fill_diagonal(expected, 0)
        found = model.score(contract.assemble([bought([row], age=[0]) for row in range(ROWS)]))
        np.testing.assert_allclose(found, expected, atol=1e-4)


class TestEaseByNeighbourhood(RecommenderContract):
    recommender = Ease(dense_rows=0)
    ndcg_floor, excluded_floor = 0.40, 0.42

    def test_with_all_rows_as_neighbours_it_is_close_to_the_dense_form(self, shop: Interactions) -> None:
        batch = contract.assemble([shop.histories.of(person) for person in range(10)])
        dense = Ease().fit(shop, np.random.default_rng(0)).score(batch)
        local = Ease(dense_rows=0, regressors=ROWS, neighbours=ROWS).fit(shop, np.random.default_rng(0)).score(batch)
        # rows that nobody bought together are no neighbours, the dense form gives them small weights
        np.testing.assert_allclose(local, dense, atol=0.02 * float(dense.max()))


class TestAls(RecommenderContract):
    recommender = Als(factors=8)
    ndcg_floor, excluded_floor = 0.33, 0.37
    tolerance = 1e-3  # conjugate gradients in single precision

    def test_folding_in_solves_the_normal_equations(self, shop: Interactions) -> None:
        model = Als(factors=8, steps=8).fit(shop, np.random.default_rng(0))
        batch = contract.assemble([shop.histories.of(5)])
        own = model.rows[batch.history[0]].astype(np.float64)
        extra = model.confidence * model.weighting.of(batch)[0].astype(np.float64)
        left = model.rows.T @ model.rows + model.penalty * np.eye(8) + (own.T * extra) @ own
        person = np.linalg.solve(left, own.T @ (1 + extra))
        np.testing.assert_allclose(model.score(batch)[0], model.rows @ person, rtol=1e-2, atol=1e-3)


class TestBlend(RecommenderContract):
    recommender = Blend()
    ndcg_floor, excluded_floor = 0.36, 0.42
    fills = True

    def test_without_bought_rows_the_related_ones_lead(self, shop: Interactions) -> None:
        model = Blend().fit(shop, np.random.default_rng(0))
        own = [0, 1, 2, 3]
        score = model.score(contract.assemble([bought(own)]))[0]
        assert set((-score).argsort()[:4].tolist()) == set(own)
        score[own] = -np.inf
        assert sum(row < HALF for row in (-score).argsort()[:6]) >= 5

    def test_members_keep_their_own_half_life(self) -> None:
        data = interactions([1, 2], 1, [(0, 0, 7, 1, 0, 1), (0, 1, 7, 1, 1, 1)])
        batch = contract.assemble([bought([0, 1], times=[8, 1], age=[100, 1])])

        def best(half_life: float) -> int:
            member = Member(BuyAgain(Weighting(PURCHASES, half_life, 1.0)), (1.0,), own=True)
            return int(Blend((member,)).fit(data, np.random.default_rng(0)).score(batch)[0].argmax())

        assert best(10) == 1
        assert best(1000) == 0

    def test_rows_of_the_own_history_keep_a_share_of_what_others_say(self, shop: Interactions) -> None:
        full, less = (Blend((Member(Ease(), (1.0,)),), (share,)).fit(shop, np.random.default_rng(0)) for share in (1.0, 0.1))
        batch = contract.assemble([bought([0, 1, 2, 3])])
        expected = full.score(batch)[0]
        expected[[0, 1, 2, 3]] *= np.float32(0.1)
        np.testing.assert_allclose(less.score(batch)[0], expected, rtol=1e-6)


class TestBlendThatLeavesOwnRowsLittle(RecommenderContract):
    recommender = Blend((Member(Ease(), (1.0,)), Member(Again(), (3.0,), own=True), Member(Popular(), (0.1,))), (0.1,))
    ndcg_floor, excluded_floor = 0.3, 0.42
    fills = True
