"""Small shops made by hand or from a seed."""

import numpy as np
import pytest

from app.ml.interactions import Interactions
from tests.ml.shops import two_tastes


@pytest.fixture(scope="session")
def shop() -> Interactions:
    """A shop whose people belong to one of two tastes; see `two_tastes`."""
    return two_tastes(np.random.default_rng(7))
