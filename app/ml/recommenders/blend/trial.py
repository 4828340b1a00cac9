"""What a blend is chosen by: the last weeks of the data, what each person did last, or some of what they did where nothing has an order."""

import numpy as np

from app.ml.evaluation import holdout
from app.ml.evaluation.last_moment import LastMoments, leave_out
from app.ml.interactions import Interactions

DAYS = 28.0
LEAST_PEOPLE = 300
LEAST_WITH_ORDER = 50
_HIDDEN = 0.2
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
        found = leave_out(data, most_people)
        return found if len(found.people) >= LEAST_WITH_ORDER else _hide_some(data, most_people)
    people = np.array(sorted(held.targets), np.int64)
    if len(people) > most_people:
        people = np.sort(np.random.default_rng(0).permutation(people)[:most_people])
    histories = [held.before.histories.of(person) for person in people.tolist()]
    return LastMoments(held.before, people, histories, [held.targets[person] for person in people.tolist()])


def _hide_some(data: Interactions, most_people: int) -> LastMoments:
    """Hide a fifth of the rows of people who have at least five."""
    own = data.histories
    size = np.diff(own.start)
    rng = np.random.default_rng(0)
    people = np.sort(rng.permutation(np.flatnonzero(size >= 1 / _HIDDEN))[:most_people])
    targets = [own.of(person).row[rng.permutation(size[person])[: int(size[person] * _HIDDEN)]] for person in people.tolist()]
    hidden = [person * max(1, data.rows) + rows for person, rows in zip(people.tolist(), targets, strict=True)]
    pair = data.person.astype(np.int64) * max(1, data.rows) + data.row
    before = data.only(~np.isin(pair, np.concatenate(hidden))) if hidden else data
    return LastMoments(before, people, [before.histories.of(person) for person in people.tolist()], targets)
