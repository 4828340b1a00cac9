"""Ranking metrics against values worked out by hand."""

import numpy as np
import pytest

from app.ml.evaluation import metrics

HITS = np.array([[True, False, True], [False, False, False], [False, True, False]])
RELEVANT = np.array([2, 1, 5])


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (metrics.precision, [2 / 3, 0, 1 / 3]),
        (metrics.recall, [1, 0, 1 / 5]),
        # ideal of person 0: two hits, 1 + 1/log2(3); of person 2: three hits, since the list is cut at 3
        (metrics.ndcg, [1.5 / 1.6309298, 0, 0.6309298 / 2.1309298]),
        (metrics.average_precision, [(1 + 2 / 3) / 2, 0, (1 / 2) / 3]),
        (metrics.reciprocal_rank, [1, 0, 1 / 2]),
    ],
)
def test_known_answers(metric: object, expected: list[float]) -> None:
    assert callable(metric)
    np.testing.assert_allclose(metric(HITS, RELEVANT), expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["ndcg", "map", "mrr", "precision"])
def test_a_list_of_hits_only_is_perfect_although_more_items_are_relevant(name: str) -> None:
    assert metrics.METRICS[name](np.ones((1, 10), bool), np.array([30])) == pytest.approx([1.0])


def test_coverage_counts_each_row_once_and_no_empty_place() -> None:
    assert metrics.coverage(np.array([[0, 1], [1, -1]]), 8) == 0.25


def test_summary_names_metric_and_length() -> None:
    assert metrics.summary(HITS, RELEVANT)["precision@3"] == pytest.approx(1 / 3, abs=1e-6)
    assert metrics.summary(HITS[:0], RELEVANT[:0]) == {}
