"""What a blend is chosen by: the last weeks of the data, or what each person did last where the weeks tell too little."""

import numpy as np

from app.ml.evaluation import holdout
from app.ml.evaluation.last_moment import LastMoments, leave_out
from app.ml.interactions import Interactions

DAYS = 28.0
LEAST_PEOPLE = 300
_LEAST_KNOWN = 0.3
"""Share of the people of the last weeks who must have been known before, for these weeks to be like any others."""


def trial(data: Interactions, most_people: int) -> LastMoments:
    """Return what some people did in the last four weeks (or the last fifth of the data, if shorter), and all that was known before.

    A shop that is to be served tomorrow is judged by its latest weeks, since taste and stock change. Where hardly anybody was known before
    them (sessions, collections that people made in one sitting), people are judged by their own last moment.
    """
    days = min(DAYS, float(data.age.max(initial=0)) / 5)
    held = holdout.split(data, days)
    active = len(np.unique(data.person[data.age <= days]))
    if len(held.targets) < max(LEAST_PEOPLE, _LEAST_KNOWN * active):
        return leave_out(data, most_people)
    people = np.array(sorted(held.targets), np.int64)
    if len(people) > most_people:
        people = np.sort(np.random.default_rng(0).permutation(people)[:most_people])
    histories = [held.before.histories.of(person) for person in people.tolist()]
    return LastMoments(held.before, people, histories, [held.targets[person] for person in people.tolist()])
