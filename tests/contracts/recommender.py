"""What every recommender must do; its test inherits `RecommenderContract` and names the recommender."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnx
import pytest

from app.ml import contract
from app.ml.contract import Batch, Floats, History, Ints
from app.ml.evaluation import holdout
from app.ml.interactions import Interactions
from app.ml.recommenders.base import SPARSE_ABOVE, Fitted, Recommender, silent
from app.ml.registry.artefact import Manifest, folder
from app.ml.registry.loader import LoadedModel, load
from app.ml.training import artefact
from tests.ml.shops import HALF, ROWS, two_tastes

LAST = ROWS - 1


def save(place: Path, recommender: Recommender, model: Fitted, data: Interactions, version: str = "v1") -> LoadedModel:
    """Write an artefact and load it as serving does."""
    manifest = Manifest("default", "tested", version, "2026-01-01T00:00:00+00:00", 0, data.rows, 200, [], {}, {}, {})
    artefact.write(place, manifest, model, data)
    return load(folder(place, "default", "tested", version))


def bought(rows: Sequence[int], times: Sequence[float] | None = None, age: Sequence[float] | None = None) -> History:
    """Return a history of purchases, oldest first."""
    size = len(rows)
    return contract.history(
        rows, [contract.PURCHASE] * size, age or [10.0 * (size - i) for i in range(size)], times or [1] * size, [1] * size
    )


def finite_best(score: Floats) -> float:
    """Return the largest finite score, 0 when there is none."""
    return float(np.max(score, initial=0, where=np.isfinite(score)))


class RecommenderContract:
    """Inherit, set `recommender`, and say what is special."""

    recommender: ClassVar[Recommender]
    fills: ClassVar[bool] = False
    """Whether someone without known rows gets items as well (else an empty list)."""
    own_only: ClassVar[bool] = False
    """Whether only rows of the history are recommended."""
    ndcg_floor: ClassVar[float] = 0.0
    """Least nDCG@10 on the shop with two tastes, repeats allowed."""
    excluded_floor: ClassVar[float] = 0.0
    """The same with rows bought before left out."""
    tolerance: ClassVar[float] = 1e-5
    """Largest difference between two readings of a score, as a share of the largest score."""

    @pytest.fixture(scope="class")
    @classmethod
    def fitted(cls, shop: Interactions) -> Fitted:
        """The recommender, trained on the shop."""
        return cls.recommender.fit(shop, np.random.default_rng(1))

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, fitted: Fitted, shop: Interactions, tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
        """Its artefact, through ONNX Runtime."""
        return save(tmp_path_factory.mktemp("models"), cls.recommender, fitted, shop)

    def top(self, model: LoadedModel, histories: Sequence[History], k: int = 10, **arguments: Any) -> list[list[int]]:
        """Return the rows recommended to each, empty places dropped."""
        item, score = model.score_top(model.assemble(histories), k, **arguments)
        return [line[values > -np.inf].tolist() for line, values in zip(item, score, strict=True)]

    def test_known_taste_is_recognised(self, model: LoadedModel) -> None:
        (low, high) = self.top(model, [bought([3, 1, 2, 0]), bought([ROWS - 4, ROWS - 2, ROWS - 3, LAST])], k=4)
        if self.own_only:
            assert set(low) == {0, 1, 2, 3}
            assert set(high) == set(range(ROWS - 4, ROWS))
        elif not self.fills or low != high:
            assert sum(row < HALF for row in low) >= 3
            assert sum(row >= HALF for row in high) >= 3

    def test_last_row_can_be_the_best(self, model: LoadedModel) -> None:
        """An index of -1 that leaks into the graph would show at row N-1."""
        for history in (bought([ROWS - 3, ROWS - 2, LAST], times=[1, 1, 9]), bought([ROWS - 2, ROWS - 3, ROWS - 4, ROWS - 5])):
            item, score = model.score_top(model.assemble([history, contract.history()]), ROWS)
            rank = model.score_rank(model.assemble([history]), np.array([[LAST, contract.PAD]]))
            place = item[0].tolist().index(LAST)
            np.testing.assert_allclose(rank[0, 0], score[0, place], rtol=1e-4)
            alone = np.full((2, ROWS), -np.inf, np.float32)
            alone[0], alone[1, LAST] = 0, 0
            only = self.top(model, [history], mask=alone, mask_id=np.array([1]))[0]
            assert only == ([LAST] if np.isfinite(rank[0, 0]) else [])

    def test_nobody_gets_something_only_from_those_who_fill(self, model: LoadedModel) -> None:
        for history in (contract.history(), model.history([999_999], [7], [1.0], [1], [1])):
            assert len(self.top(model, [history])[0]) == (10 if self.fills else 0)

    def test_excluded_rows_stay_out_and_padding_excludes_nothing(self, model: LoadedModel) -> None:
        history = bought([0, 1, 2, LAST])
        full = self.top(model, [history], k=ROWS)[0]
        exclude = contract.pad([[0, LAST], []])
        without, same = self.top(model, [history, history], k=ROWS, exclude=exclude)
        assert same == full
        assert without == [row for row in full if row not in (0, LAST)]

    def test_each_person_gets_the_mask_named_for_them(self, model: LoadedModel) -> None:
        mask = np.zeros((3, ROWS), np.float32)
        mask[1, : ROWS - 2] = -np.inf
        mask[2] = -np.inf
        history = bought([0, 1, ROWS - 2, LAST])
        lists = self.top(model, [history] * 4, k=ROWS, mask=mask, mask_id=np.array([1, 0, 2, 0]))
        assert set(lists[0]) <= {ROWS - 2, LAST}
        assert lists[0]
        assert lists[1] == lists[3]
        assert len(lists[1]) > 2
        assert lists[2] == []

    def test_padding_changes_no_score(self, model: LoadedModel) -> None:
        """People with short, long and no histories in one batch get what each gets alone."""
        histories = [bought([LAST, 0, 1, ROWS - 2, 4, 5, 6]), bought([LAST]), contract.history(), bought([0, LAST])]
        candidates = np.tile(np.arange(ROWS), (len(histories), 1))
        together = model.score_rank(model.assemble(histories), candidates)
        for person, history in enumerate(histories):
            alone = model.score_rank(model.assemble([history]), candidates[:1])
            np.testing.assert_allclose(together[person], alone[0], rtol=1e-4, atol=self.tolerance * finite_best(alone))

    def test_rank_gives_minus_infinity_at_padding_only_and_agrees_with_top(self, model: LoadedModel) -> None:
        batch = model.assemble([bought([0, 1, 2, LAST])])
        item, score = model.score_top(batch, 5)
        kept = score[0] > -np.inf
        candidates = np.array([[*item[0], contract.PAD, contract.PAD]])
        rank = model.score_rank(batch, candidates)[0]
        np.testing.assert_allclose(rank[:5][kept], score[0][kept], rtol=1e-4)
        assert np.isneginf(rank[5:]).all()

    def test_graph_and_numpy_agree(self, fitted: Fitted, model: LoadedModel, shop: Interactions) -> None:
        histories = [shop.histories.of(person) for person in range(12)] + [contract.history(), bought([LAST])]
        batch = model.assemble(histories)
        candidates: Ints = np.tile(np.arange(ROWS), (len(histories), 1))
        expected: Floats = silent(fitted.score(batch))
        found = model.score_rank(batch, candidates)
        assert np.array_equal(np.isneginf(found), np.isneginf(expected))
        finite = np.isfinite(expected)
        np.testing.assert_allclose(found[finite], expected[finite], rtol=1e-3, atol=self.tolerance * finite_best(expected))

    def test_every_kind_and_extreme_values_give_finite_scores(self, model: LoadedModel) -> None:
        size = len(contract.KINDS)
        wild = contract.history(
            range(size), range(size), [0, 1e-6, 1, 10, 1e3, 1e4, 1e6, 0], [0, 1, 1e6, 1, 1, 1, 1, 1e9], [-5, 0, 1e9, 1, 1, 1, 1, 1e12]
        )
        batch = model.assemble([wild])
        score = model.score_rank(batch, np.arange(ROWS)[None])
        assert not np.isnan(score).any()
        assert not np.isposinf(score).any()

    def test_same_seed_gives_the_same_scores(self, shop: Interactions, fitted: Fitted) -> None:
        again = self.recommender.fit(shop, np.random.default_rng(1))
        batch: Batch = contract.assemble([shop.histories.of(3), shop.histories.of(4)])
        np.testing.assert_allclose(again.score(batch), fitted.score(batch), rtol=1e-3, atol=1e-5)

    def test_quality_does_not_fall_below_its_floor(self, shop: Interactions, tmp_path: Path) -> None:
        held = holdout.split(shop, 40)
        model = save(tmp_path, self.recommender, self.recommender.fit(held.before, np.random.default_rng(1)), held.before)
        found = holdout.evaluate(model, held)
        assert found["all"]["ndcg@10"] >= self.ndcg_floor
        assert found["new"]["ndcg@10"] >= self.excluded_floor

    def test_a_large_catalogue_needs_no_square_of_numbers(self, tmp_path: Path) -> None:
        rows = SPARSE_ABOVE + 200
        data = two_tastes(np.random.default_rng(3), people=60, rows=rows)
        model = save(tmp_path, self.recommender, self.recommender.fit(data, np.random.default_rng(1)), data)
        graph = onnx.load(str(folder(tmp_path, "default", "tested", "v1") / "top.onnx"), load_external_data=False).graph
        assert max(int(np.prod(one.dims)) for one in graph.initializer) <= rows * 200
        assert sum(path.stat().st_size for path in folder(tmp_path, "default", "tested", "v1").iterdir()) < rows * 200 * 8 * 2
        assert self.top(model, [data.histories.of(0)])[0]

    def test_a_shop_with_one_event_can_be_trained(self, tmp_path: Path) -> None:
        single = two_tastes(np.random.default_rng(3), people=1, rows=4)
        data = single.only(np.arange(len(single.row)) == 0)
        model = save(tmp_path, self.recommender, self.recommender.fit(data, np.random.default_rng(1)), data)
        assert model.score_top(model.assemble([data.histories.of(0)]), 10)[0].shape == (1, 4)
