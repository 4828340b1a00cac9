"""A blend leans on popularity where a person's own history says nothing of what comes next."""

import numpy as np

from app.ml.interactions import interactions
from app.ml.recommenders.blend.fit import Blend
from app.ml.recommenders.popular.fit import PopularModel


def test_where_only_popularity_tells_what_is_bought_next_its_weight_is_the_largest() -> None:
    """Tastes of the past are noise; in the last weeks everybody buys of the same few rows that rose just before."""
    rng = np.random.default_rng(5)
    events = [(one, int(rng.integers(0, 60)), 7, float(rng.uniform(60, 160)), -1, 1.0) for one in range(400) for _ in range(8)]
    events += [(400 + one, 60 + one % 12, 7, float(rng.uniform(30, 40)), -1, 1.0) for one in range(240)]
    events += [(one, 60 + int(rng.integers(0, 12)), 7, float(rng.uniform(0, 27)), -1, 1.0) for one in range(400) for _ in range(2)]
    fitted = Blend().fit(interactions(np.arange(80), 640, events), np.random.default_rng(0))
    weights = [weight for model, _, weight in fitted.members if isinstance(model, PopularModel)]
    assert weights[0] >= 0.2
