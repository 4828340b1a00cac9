"""Choosing the weights of a blend on what people did last, by nDCG@10 with and without repeats."""

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from app.ml import contract
from app.ml.contract import Floats
from app.ml.evaluation import holdout, metrics
from app.ml.interactions import Interactions
from app.ml.recommenders.base import Fitted, Recommender

Weights = tuple[float, ...]
DAYS = 28.0
LEAST_PEOPLE = 50
"""With fewer people to judge by, the first choice of each member stands."""
_MOST_PEOPLE = 300
_CHUNK = 32
_K = 10


def choose(
    recommenders: Sequence[Recommender],
    choices: Sequence[Sequence[float]],
    data: Interactions,
    history_items: int,
    rng: np.random.Generator,
) -> Weights:
    """Return the best combination of weights; the first choices when nothing can be tried.

    Fits the members on what lies before the last four weeks (or the last fifth of the data, if shorter).
    """
    combinations: list[Weights] = list(product(*choices))
    if len(combinations) == 1:
        return combinations[0]
    held = holdout.split(data, min(DAYS, float(data.age.max(initial=0)) / 5))
    people = np.array(sorted(held.targets))
    if len(people) < LEAST_PEOPLE:
        return combinations[0]
    if len(people) > _MOST_PEOPLE:
        people = np.sort(rng.choice(people, _MOST_PEOPLE, replace=False))
    models = [one.fit(held.before, rng) for one in recommenders]
    totals = np.zeros(len(combinations))
    for first in range(0, len(people), _CHUNK):
        totals += _quality(models, combinations, held, people[first : first + _CHUNK].tolist(), history_items)
    return combinations[int(totals.argmax())]


def normalised(score: Floats) -> Floats:
    """Divide by each person's best score; a member that knows nothing stays at 0."""
    return np.asarray(score / np.maximum(score.max(1, keepdims=True), np.float32(1e-20)), np.float32)


def _quality(
    models: Sequence[Fitted], combinations: Sequence[Weights], held: holdout.Holdout, people: list[int], history_items: int
) -> NDArray[np.float64]:
    """Return the sum of nDCG over the people and both tasks for each combination."""
    batch = contract.assemble([held.before.histories.of(person) for person in people], history_items)
    scores = [normalised(model.score(batch)) for model in models]
    totals = np.zeros(len(combinations))
    for place, weights in enumerate(combinations):
        blended = np.sum([score * np.float32(weight) for score, weight in zip(scores, weights, strict=True)], 0)
        totals[place] = sum(_gains(blended, held, people))
    return totals


def _gains(blended: Floats, held: holdout.Holdout, people: list[int]) -> Iterator[float]:
    for score, person in zip(blended, people, strict=True):
        own = held.before.histories.of(person)
        bought = own.row[own.kind == contract.PURCHASE]
        for excluded in (bought[:0], bought):
            target = np.setdiff1d(held.targets[person], excluded)
            if len(target):
                score[excluded] = -np.inf
                best = np.argpartition(-score, min(_K, len(score)) - 1)[:_K]
                best = best[np.argsort(-score[best], kind="stable")]
                hits = np.isin(best, target) & (score[best] > 0)
                yield float(metrics.ndcg(hits[None], np.array([len(target)]))[0])
