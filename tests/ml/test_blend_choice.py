"""What a blend is chosen by, and that it chooses what is best there."""

import numpy as np

from app.ml import contract
from app.ml.evaluation.last_moment import leave_out
from app.ml.interactions import Interactions, interactions
from app.ml.recommenders.blend.fit import Blend, BlendModel, Member
from app.ml.recommenders.blend.trial import trial
from app.ml.recommenders.ease.fit import Ease
from app.ml.recommenders.popular.fit import Popular
from app.ml.recommenders.transitions.fit import Transitions

PEOPLE, ROWS = 400, 60


def circles(kind: int, spread: float) -> Interactions:
    """People who go round a circle of rows, each from a place of their own; `spread` days between one's end and another's."""
    events = []
    for person in range(PEOPLE):
        for at in range(8):
            events.append((person, (person * 7 + at) % ROWS, kind, 1 + person * spread + (7 - at) * 0.01, -1, 1.0))
    return interactions(np.arange(ROWS), PEOPLE, events)


def fitted(data: Interactions) -> BlendModel:
    return Blend().fit(data, np.random.default_rng(0))


def told(model: BlendModel) -> dict[str, float]:
    return {name: one["weight"] for name, one in model.learned["members"].items()}


def test_where_what_comes_next_hangs_on_the_last_step_the_next_step_is_found() -> None:
    data = circles(contract.KINDS.index("view"), 0.5)
    model = fitted(data)
    batch = contract.assemble([data.histories.of(person) for person in range(50)])
    following = [(person * 7 + 8) % ROWS for person in range(50)]
    assert (model.score(batch).argmax(1) == following).mean() > 0.95
    assert told(model)["Transitions"] > 0


def test_where_nobody_does_a_thing_twice_the_own_history_comes_last() -> None:
    rng = np.random.default_rng(7)
    events = []
    for person in range(PEOPLE):
        taste = rng.permutation(ROWS // 2)[:10] + person % 2 * (ROWS // 2)
        events += [(person, int(row), 7, 1 + person * 0.5 + at * 0.01, -1, 1.0) for at, row in enumerate(taste)]
    data = interactions(np.arange(ROWS), PEOPLE, events)
    model = fitted(data)
    own = data.histories.of(4)
    best = (-model.score(contract.assemble([own]))[0]).argsort()[:10]
    assert set(best.tolist()).isdisjoint(own.row.tolist())
    assert (best < ROWS // 2).all()


def test_sessions_are_judged_by_their_own_last_moment() -> None:
    data = circles(contract.KINDS.index("view"), 0.5)
    held = trial(data, 100)
    assert len(held.people) == 100
    for person, own, target in zip(held.people, held.histories, held.targets, strict=True):
        assert target.tolist() == [(person * 7 + 7) % ROWS]
        assert len(own.row) == 7
        np.testing.assert_allclose(own.age[-1], 0.01, atol=1e-4)
    assert len(held.before.row) == len(data.row) - 100


def test_a_shop_whose_people_come_back_is_judged_by_its_latest_weeks() -> None:
    rng = np.random.default_rng(3)
    events = [(one, int(rng.integers(ROWS)), 7, float(rng.uniform(0.1, 200)), -1, 1.0) for one in range(PEOPLE) for _ in range(30)]
    data = interactions(np.arange(ROWS), PEOPLE, events)
    held = trial(data, 2000)
    assert len(held.people) > 300
    assert len(held.before.row) == (data.age > 28).sum()
    assert min(float(one.age.min()) for one in held.histories) < 1


def test_the_order_that_is_hidden_takes_along_what_led_to_it() -> None:
    """A view a minute before the order is no taste known before; one a week before is."""
    events = [(0, 0, 7, 30.0, 1, 1.0), (0, 1, 3, 9.0, -1, 1.0), (0, 2, 3, 2.0 + 1 / 1440, -1, 1.0), (0, 3, 3, 2.0 + 1 / 1440, -1, 1.0)]
    events += [(0, 1, 7, 2.0, 2, 1.0), (0, 2, 7, 2.0, 2, 1.0), (0, 4, 3, 1.0, -1, 1.0)]
    held = leave_out(interactions(np.arange(5), 1, events), 10)
    assert [target.tolist() for target in held.targets] == [[1, 2]]
    assert sorted(held.histories[0].row.tolist()) == [0, 1, 3]


def test_people_who_all_ended_at_once_are_a_sample_of_all() -> None:
    held = leave_out(circles(contract.PURCHASE, 0.0), 50)
    assert held.people.max() > PEOPLE / 2
    assert held.people.tolist() == leave_out(circles(contract.PURCHASE, 0.0), 50).people.tolist()


def test_a_choice_is_the_same_every_time() -> None:
    data = circles(contract.PURCHASE, 0.5)
    assert fitted(data).learned == fitted(data).learned


def test_a_setting_that_somebody_changed_is_not_chosen_anew() -> None:
    data = circles(contract.PURCHASE, 0.5)
    members = (Member(Ease(penalty=7.0), (1.0,), tries=(Ease(penalty=300.0),)), Member(Popular(), (0.1, 0.2)))
    chosen = Blend(members).fit(data, np.random.default_rng(0)).learned["members"]["Ease"]["setting"]
    assert chosen["penalty"] == 7.0
    better = (Member(Popular(), (1.0,), tries=(Transitions(),)), Member(Ease(), (0.1, 0.2)))
    assert "Transitions" in Blend(better).fit(data, np.random.default_rng(0)).learned["members"]


def test_where_all_happened_at_once_a_fifth_of_it_is_hidden() -> None:
    rng = np.random.default_rng(2)
    events = [(one, int(row), 6, 1.0, -1, 5.0) for one in range(200) for row in rng.permutation(30)[:10] + one % 2 * 30]
    data = interactions(np.arange(ROWS), 200, events)
    held = trial(data, 100)
    assert len(held.people) == 100
    for person, own, target in zip(held.people, held.histories, held.targets, strict=True):
        assert len(target) == 2
        assert set(target) | set(own.row) == set(data.histories.of(int(person)).row)
        assert set(target).isdisjoint(own.row)
    model = fitted(data)
    own = data.histories.of(1)
    best = (-model.score(contract.assemble([own]))[0]).argsort()[:15]
    assert (best >= 30).all()
    assert set(best.tolist()).isdisjoint(own.row.tolist())
