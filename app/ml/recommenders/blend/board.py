"""The rows that may win for the people a blend is chosen by, and how good any weights are there."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.ml import contract
from app.ml.contract import Floats, History, Ints
from app.ml.evaluation.last_moment import LastMoments
from app.ml.recommenders.base import Fitted
from app.ml.recommenders.blend.scaling import scaled

_CHUNK = 64
_NEAR = 100
"""Best rows of each member that the best of all are looked for among."""
_K = 10


@dataclass(frozen=True)
class Board:
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


def board(models: Sequence[Fitted], own_member: list[bool], held: LastMoments, history_items: int) -> Board:
    """Score all people by all members, and keep what may win."""
    parts = []
    for start in range(0, len(held.people), _CHUNK):
        part = slice(start, start + _CHUNK)
        histories, targets = held.histories[part], held.targets[part]
        batch = contract.assemble(histories, history_items)
        scores = np.stack([scaled(model, batch) for model in models])
        near = _near(scores, histories)
        parts += [_line(scores[:, place], near[:, place], *one) for place, one in enumerate(zip(histories, targets, strict=True))]
    width = max(score.shape[1] for score, _ in parts)
    found = np.zeros((len(models), len(parts), width), np.float32)
    masks = np.zeros((3, len(parts), width), bool)
    for place, (score, mask) in enumerate(parts):
        found[:, place, : score.shape[1]] = score
        masks[:, place, : score.shape[1]] = mask
    return Board(found, own_member, *masks)


def _near(scores: Floats, histories: Sequence[History]) -> Ints:
    """Return the best rows of each member and person, those of the own history left out: these are looked at anyway."""
    others = scores.copy()
    for place, history in enumerate(histories):
        others[:, place, history.row] = -np.inf
    near = min(_NEAR, scores.shape[2])
    return np.asarray(np.argpartition(others, scores.shape[2] - near, axis=2)[:, :, -near:])


def _line(scores: Floats, near: Ints, history: History, target: Ints) -> tuple[Floats, NDArray[np.bool_]]:
    """Return of the rows of one person that may win the scores of each member, and which are targets, bought before, and own."""
    marks = np.zeros((4, scores.shape[1]), bool)
    bought = history.row[history.kind == contract.PURCHASE]
    for mark, rows in zip(marks, (target, bought, history.row, near.ravel()), strict=True):
        mark[rows] = True
    may_win = np.flatnonzero(marks.any(0))
    return scores[:, may_win], marks[:3, may_win]
