"""K-means against scikit-learn's figures on Online Retail, silhouettes against the definition, and labels that stay."""

import csv
import gzip
import itertools
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from app.data.facts.domain import Seen
from app.data.facts.entries import everything
from app.data.segments.clusters import fitting, kmeans
from app.data.segments.clusters.domain import Labels, Model, described
from app.data.segments.clusters.kmeans import Floats

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "online-retail" / "online_retail_II_2009-12_2010-12.csv.gz"
WORDS = ("days since the last order", "orders", "money spent")


def blobs(*places: tuple[float, float], people: int = 60, seed: int = 1) -> Floats:
    """Return people around some places."""
    random = np.random.default_rng(seed)
    return np.concatenate([random.normal(place, 0.3, (people, 2)) for place in places])


def rfm() -> Floats:
    """Return days since the last order, orders and money spent of each customer, as (n, 3)."""
    last: dict[str, datetime] = {}
    orders: dict[str, set[str]] = {}
    money: dict[str, float] = {}
    with gzip.open(DATA, "rt", newline="") as file:
        for row in csv.DictReader(file):
            who, quantity, price = row["Customer ID"], int(row["Quantity"]), float(row["Price"])
            if who and quantity > 0 and price > 0 and not row["Invoice"].startswith("C"):
                at = datetime.fromisoformat(row["InvoiceDate"])
                last[who] = max(at, last.get(who, at))
                orders.setdefault(who, set()).add(row["Invoice"])
                money[who] = money.get(who, 0.0) + quantity * price
    end = max(last.values())
    return np.array([[(end - last[who]).total_seconds() / 86_400, len(orders[who]), money[who]] for who in sorted(last)])


@pytest.mark.skipif(not DATA.exists(), reason="the Online Retail data are not beside the project")
@pytest.mark.parametrize(
    ("k", "sizes", "silhouette"),
    [
        (2, [1652, 2660], 0.4275385835),
        (3, [841, 1735, 1736], 0.3330030645),
        (5, [457, 710, 943, 1079, 1123], 0.3165817089),
    ],
)
def test_clusters_of_rfm_are_those_of_scikit_learn(k: int, sizes: list[int], silhouette: float) -> None:
    """The figures are those of scikit-learn 1.9.1 on the same scaled features: KMeans(k, n_init=50, tol=0) and silhouette_score of all.

    Four clusters have two optima within 0.00001 % of each other, which differ by six customers, so they say nothing.
    """
    values = rfm()
    points = fitting.scaled(values, [fitting.scale(values[:, at]) for at in range(3)])
    found = kmeans.fit(points, k, starts=50)
    assert sorted(np.bincount(found.cluster).tolist()) == sizes
    assert kmeans.silhouette(points, found.cluster, most=len(points)) == pytest.approx(silhouette, abs=1e-6)


def test_a_silhouette_is_what_its_definition_says() -> None:
    points, cluster = blobs((0, 0), (1, 1), (4, 0), people=15), np.repeat([0, 1, 2], 15)
    widths = []
    for one in range(len(points)):
        far = {name: [] for name in (0, 1, 2)}  # type: dict[int, list[float]]
        for other in range(len(points)):
            if other != one:
                far[int(cluster[other])].append(float(np.linalg.norm(points[one] - points[other])))
        inside = float(np.mean(far.pop(int(cluster[one]))))
        outside = min(float(np.mean(values)) for values in far.values())
        widths.append((outside - inside) / max(inside, outside))
    assert kmeans.silhouette(points, cluster) == pytest.approx(np.mean(widths), abs=1e-9)
    assert kmeans.silhouette(points, np.zeros(45, np.int64)) == 0.0
    assert kmeans.silhouette(points, cluster, most=30) == pytest.approx(np.mean(widths), abs=0.15)


@pytest.mark.parametrize("k", [2, 3, 5])
def test_as_many_clusters_are_found_as_there_are(k: int) -> None:
    places = [(0, 0), (6, 0), (0, 6), (6, 6), (12, 3)][:k]
    found, tried = kmeans.choose(blobs(*places))
    assert found == k
    assert [one.k for one in tried] == list(range(2, 11))


def test_points_that_are_all_alike_are_one_cluster_and_fewer_different_ones_than_clusters_give_fewer() -> None:
    assert kmeans.choose(np.ones((40, 2)))[0] == 1
    assert len(kmeans.fit(np.ones((40, 2)), 3).centroids) == 1
    assert len(np.unique(kmeans.fit(np.repeat([[0.0], [1.0]], 20, axis=0), 4).cluster)) == 2


def test_the_pairing_of_centroids_is_the_cheapest_of_all() -> None:
    random = np.random.default_rng(3)
    for before, now in ((4, 4), (3, 5), (5, 3)):
        old, new = random.normal(size=(before, 2)), random.normal(size=(now, 2))
        cost = ((new[:, None] - old[None]) ** 2).sum(axis=2)
        pairs = kmeans.matched(old, new)
        total = sum(cost[one, pair] for one, pair in enumerate(pairs) if pair is not None)
        few, many = min(before, now), max(before, now)
        table = cost if now <= before else cost.T
        best = min(sum(table[row, chosen[row]] for row in range(few)) for chosen in itertools.permutations(range(many), few))
        assert total == pytest.approx(best)
        assert len([pair for pair in pairs if pair is not None]) == few


def test_labels_stay_over_refits_though_people_move_and_their_order_changes() -> None:
    features = ["orders", "spent"]
    first = fitting.found(blobs((1, 1), (9, 1), (5, 9)), features, features, None)
    assert [one.label for one in first.clusters] == [1, 2, 3]
    later = blobs((5.3, 9.2), (1.2, 1.1), (8.7, 1.2), seed=2)
    again = fitting.found(later, features, features, None, first)
    for one in first.clusters:
        place = [scale.raw(at) for scale, at in zip(first.scales, one.centroid, strict=True)]
        assert again.label(place) == one.label == first.label(place)
    more = fitting.found(blobs((1, 1), (9, 1), (5, 9), (20, 20), seed=3), features, features, 4, first)
    assert {one.label for one in more.clusters} == {1, 2, 3, 4}
    assert more.label([20, 20]) == 4
    four = fitting.found(blobs((1, 1), (9, 1), (5, 9), (20, 20), seed=3), features, features, None, first)
    assert len(four.clusters) == 3, "from hour to hour there are as many"
    four = fitting.found(blobs((1, 1), (9, 1), (5, 9), (20, 20), seed=3), features, features, None, first, anew=True)
    assert len(four.clusters) == 4
    other = fitting.found(later, ["orders", "engagement"], features, None, first)
    assert [one.people for one in other.clusters] == [60, 60, 60], "other features are another clustering"


def test_unknown_values_count_as_the_median_and_outliers_no_more_than_the_last_percent() -> None:
    values = np.concatenate([np.arange(99.0), [1e9], [np.nan] * 25])
    scale = fitting.scale(values)
    assert (scale.missing, scale.median) == (pytest.approx(0.2), 49.5)
    assert scale.high < 1e8
    assert scale.scaled(None) == scale.scaled(49.5)
    assert scale.scaled(1e12) == scale.scaled(scale.high)
    assert fitting.scale(np.full(5, np.nan)).scaled(None) == 0.0
    assert fitting.scale(np.full(5, 7.0)).scaled(7.0) == 0.0
    spent = fitting.scale(np.exp(np.random.default_rng(1).normal(4, 1, 500)))
    assert spent.log
    assert spent.raw(spent.scaled(200.0)) == pytest.approx(200)


def test_labels_without_arrays_are_those_of_the_fit_and_clusters_say_what_is_special() -> None:
    values = blobs((1, 1), (9, 1), (5, 9))
    model = fitting.found(values, ["orders", "spent"], ["orders", "money spent"], 3)
    assert Model.model_validate_json(model.model_dump_json()) == model
    points = fitting.scaled(values, model.scales)
    near = ((points[:, None] - np.array([one.centroid for one in model.clusters])[None]) ** 2).sum(axis=2).argmin(axis=1)
    assert [model.label(row) for row in values.tolist()] == [model.clusters[one].label for one in near]
    much = next(one for one in model.clusters if one.label == model.label([5, 9]))
    assert much.sentence == f"Very high money spent (about {model.scales[1].raw(much.centroid[1]):,.4g})."
    assert model.label([None, None]) is None
    assert described([0.1, -0.2], model.scales, ["a", "b"]) == "Like everybody in all of it."


def test_few_people_give_no_clusters_and_what_cannot_be_read_is_left_out() -> None:
    few = fitting.found(np.ones((19, 1)), ["orders"], ["orders"], None)
    assert (few.clusters, few.sampled, few.label([1.0])) == ([], 19, None)
    assert fitting.found(np.zeros((0, 1)), ["orders"], ["orders"], 3).sampled == 0
    labels = Labels({"old": few.model_copy(update={"features": ["gone"]}), "round": few.model_copy(update={"features": ["cluster.old"]})},
                    everything())  # fmt: skip
    assert not labels
    assert set(labels.broken) == {"old", "round"}
    assert Seen().person is None


def test_whom_a_refit_puts_into_another_cluster_is_counted() -> None:
    random = np.random.default_rng(2)

    def people(*groups: tuple[float, int]) -> Floats:
        return np.concatenate([random.normal(place, 0.05, (many, 1)) for place, many in groups])

    before = fitting.found(people((1.0, 40), (11.0, 40)), ["spent"], ["money spent"], 2)
    low, high = sorted(before.clusters, key=lambda one: one.centroid[0])
    assert before.moved is None, "nothing was before"
    again = fitting.found(people((1.0, 40), (11.0, 40)), ["spent"], ["money spent"], 2, before)
    assert again.moved == []
    # those at 5 were nearer to the low ones, and are nearer to the others since these came down
    shifted = fitting.found(people((1.0, 40), (5.0, 30), (6.5, 40), (8.0, 30)), ["spent"], ["money spent"], 2, before)
    assert [(one.before, one.now, one.people) for one in shifted.moved or ()] == [(low.label, high.label, 30)]
    other = fitting.found(people((1.0, 40), (5.0, 40)), ["orders"], ["orders"], 2, before)
    assert other.moved is None, "other features are another clustering"
