"""Choosing settings and weights of a blend on what people did last, by nDCG@10 with and without what they bought before."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from app.core.logging import log
from app.ml import contract
from app.ml.contract import Floats, Ints
from app.ml.evaluation.last_moment import LastMoments
from app.ml.interactions import Interactions
from app.ml.recommenders.base import SPARSE_ABOVE, Fitted, Recommender
from app.ml.recommenders.blend.scaling import scaled
from app.ml.recommenders.blend.trial import trial

LEAST_PEOPLE = 50
"""With fewer people to judge by, the first choices stand."""
_FEW_PEOPLE, _MANY_PEOPLE = 2000, 5000
_MOST_SCORES = 60_000_000
"""Scores of one member that are looked at to choose by: as many people as that allows, within the bounds above."""
_CHUNK = 64
_NEAR = 100
"""Best rows of each member that the best of all are looked for among."""
_ROUNDS = 4
_K = 10


class Choice(Protocol):
    """What can be chosen of a member."""

    @property
    def recommender(self) -> Recommender: ...
    @property
    def weights(self) -> tuple[float, ...]: ...
    @property
    def own(self) -> bool: ...
    @property
    def tries(self) -> tuple[Recommender, ...]: ...


class Chosen(NamedTuple):
    """A setting and a weight of each member, and the share that own rows keep of others' scores."""

    recommenders: list[Recommender]
    weights: list[float]
    own_share: float


def choose(
    members: Sequence[Choice], own_shares: Sequence[float], data: Interactions, history_items: int, rng: np.random.Generator
) -> Chosen:
    """Return the best settings, then the best weights by going through them one after the other; the first of each without enough people.

    The members are fitted on what `trial` leaves of the data, and judged by what it hides of up to 5,000 people, 2,000 where the
    catalogue is large: nothing is random.
    """
    first = Chosen([one.recommender for one in members], [one.weights[0] for one in members], own_shares[0])
    if len(members) == 1 and len(members[0].weights) == 1:
        return first
    people = min(_MANY_PEOPLE, max(_FEW_PEOPLE, _MOST_SCORES // max(1, data.rows)))
    held = trial(data, people)
    if len(held.people) < LEAST_PEOPLE:
        return first
    recommenders, models = [], []
    for member in members:
        one, model = _best(member, held, history_items, rng)
        recommenders.append(one)
        models.append(model)
    board = _board(models, [one.own for one in members], held, history_items)
    weights, own_share = _weights(board, members, own_shares)
    log.info(
        "train.blend", weights=weights, own_share=own_share, people=len(held.people), members=[type(one).__name__ for one in recommenders]
    )
    return Chosen(recommenders, weights, own_share)


def _best(member: Choice, held: LastMoments, history_items: int, rng: np.random.Generator) -> tuple[Recommender, Fitted]:
    """Return the setting of a member that is best by itself, fitted; its own where it was changed, or has no other.

    In large catalogues, where a fit takes minutes, only the first of the others is tried.
    """
    unchanged = member.recommender == type(member.recommender)()
    tries = member.tries if held.before.rows <= SPARSE_ABOVE else member.tries[:1]
    settings = [member.recommender, *(tries if unchanged else ())]
    found = []
    for one in settings:
        model = one.fit(held.before, rng)
        quality = 0.0
        if len(settings) > 1:
            quality = _board([model], [member.own], held, history_items).quality([1.0], 1.0)
        found.append((quality, one, model))
    _, one, model = max(found, key=lambda each: each[0])
    return one, model


@dataclass(frozen=True)
class _Board:
    """Scores float32[members,people,C] of the rows that may win, whether each is a target, bought before, or in the own history."""

    scores: NDArray[np.float32]
    own_member: list[bool]
    target: NDArray[np.bool_]
    bought: NDArray[np.bool_]
    own: NDArray[np.bool_]

    def quality(self, weights: Sequence[float], own_share: float) -> float:
        """Return the mean nDCG of both tasks, added."""
        total = np.zeros(self.target.shape, np.float32)
        for score, own, weight in zip(self.scores, self.own_member, weights, strict=True):
            if weight:
                total += score * np.float32(weight) * (1 if own else np.where(self.own, np.float32(own_share), np.float32(1)))
        every = _ndcg(total, self.target)
        if not self.bought.any():
            return 2 * every
        return every + _ndcg(np.where(self.bought, -np.inf, total), self.target & ~self.bought)


def _ndcg(score: Floats, target: NDArray[np.bool_]) -> float:
    """Return the mean over the people who have a target."""
    score, target = score[target.any(1)], target[target.any(1)]
    if not len(score):
        return 0.0
    k = min(_K, score.shape[1])
    best = np.argpartition(-score, k - 1, axis=1)[:, :k]
    values = np.take_along_axis(score, best, 1)
    order = np.argsort(-values, axis=1, kind="stable")
    best, values = np.take_along_axis(best, order, 1), np.take_along_axis(values, order, 1)
    gain = 1 / np.log2(np.arange(2, k + 2))
    hits = np.take_along_axis(target, best, 1) & (values > 0)
    ideal = np.concatenate([[0.0], np.cumsum(gain)])[np.minimum(target.sum(1), k)]
    return float(((hits * gain).sum(1) / ideal).mean())


def _board(models: Sequence[Fitted], own_member: list[bool], held: LastMoments, history_items: int) -> _Board:
    parts = []
    for start in range(0, len(held.people), _CHUNK):
        part = slice(start, start + _CHUNK)
        batch = contract.assemble(held.histories[part], history_items)
        scores = [scaled(model, batch) for model in models]
        for place, (history, target) in enumerate(zip(held.histories[part], held.targets[part], strict=True)):
            parts.append(_line([score[place] for score in scores], history.row, history.row[history.kind == contract.PURCHASE], target))
    width = max(len(line[1]) for line in parts)
    found = np.zeros((len(models), len(parts), width), np.float32)
    masks = np.zeros((3, len(parts), width), bool)
    for place, (score, *mask) in enumerate(parts):
        found[:, place, : score.shape[1]] = score
        masks[:, place, : score.shape[1]] = mask
    return _Board(found, own_member, *masks)


def _line(scores: Sequence[Floats], own: Ints, bought: Ints, target: Ints) -> tuple[Any, ...]:
    """Return the rows of one person that may win: the scores of each member, and which are targets, bought and own."""
    near = min(_NEAR, len(scores[0]))
    others = np.ones(len(scores[0]), bool)
    others[own] = False
    # own rows are among them by themselves: where they are left out, as many others must be there
    best = [np.argpartition(np.where(others, -score, np.inf), near - 1)[:near] for score in scores]
    rows = np.unique(np.concatenate([*best, own, target]))
    return np.stack([score[rows] for score in scores]), np.isin(rows, target), np.isin(rows, bought), np.isin(rows, own)


def _weights(board: _Board, members: Sequence[Choice], own_shares: Sequence[float]) -> tuple[list[float], float]:
    """Try every choice of one weight after the other, until none is better."""
    choices = [list(one.weights) for one in members] + [list(own_shares)]
    now = [one[0] for one in choices]
    best = board.quality(now[:-1], now[-1])
    for _ in range(_ROUNDS):
        before = list(now)
        for place, values in enumerate(choices):
            for value in values:
                tried = [*now[:place], value, *now[place + 1 :]]
                quality = board.quality(tried[:-1], tried[-1])
                if quality > best + 1e-6:
                    best, now = quality, tried
        if now == before:
            break
    return now[:-1], now[-1]
