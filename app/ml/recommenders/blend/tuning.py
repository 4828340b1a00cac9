"""Choosing settings and weights of a blend on what people did last, by nDCG@10 with and without what they bought before."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from app.core.logging import log
from app.ml.evaluation.last_moment import LastMoments
from app.ml.interactions import Interactions
from app.ml.recommenders.base import SPARSE_ABOVE, Fitted, Recommender
from app.ml.recommenders.blend.board import Board, board
from app.ml.recommenders.blend.trial import trial

LEAST_PEOPLE = 50
"""With fewer people to judge by, the first choices stand."""
_FEW_PEOPLE, _MANY_PEOPLE = 2000, 5000
_MOST_SCORES = 60_000_000
"""Scores of one member that are looked at to choose by: as many people as that allows, within the bounds above."""
_ROUNDS = 4


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
    looked = board(models, [one.own for one in members], held, history_items)
    weights, own_share = _weights(looked, members, own_shares)
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
            looked = board([model], [member.own], held, history_items)
            # what it says of own rows is settled with the others
            quality = max(looked.quality([1.0], share) for share in (1.0, 0.0))
        found.append((quality, one, model))
    _, one, model = max(found, key=lambda each: each[0])
    return one, model


def _weights(looked: Board, members: Sequence[Choice], own_shares: Sequence[float]) -> tuple[list[float], float]:
    """Try every choice of one weight after the other, until none is better."""
    choices = [list(one.weights) for one in members] + [list(own_shares)]
    now = [one[0] for one in choices]
    best = looked.quality(now[:-1], now[-1])
    for _ in range(_ROUNDS):
        before = list(now)
        for place, values in enumerate(choices):
            for value in values:
                tried = [*now[:place], value, *now[place + 1 :]]
                quality = looked.quality(tried[:-1], tried[-1])
                if quality > best + 1e-6:
                    best, now = quality, tried
        if now == before:
            break
    return now[:-1], now[-1]
