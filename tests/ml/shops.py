"""Generated shops with a pattern that a recommender must find."""

import numpy as np

from app.ml import contract
from app.ml.interactions import Interactions

ROWS = 40
HALF = ROWS // 2


def two_tastes(rng: np.random.Generator, people: int = 300, rows: int = ROWS) -> Interactions:
    """People of even number buy rows of the lower half, the others of the upper half; one purchase in twelve strays.

    Row N-1 is bought most in the upper half. The last row but one of each half is never bought.
    """
    half = rows // 2
    likes = np.concatenate([1 / np.arange(2.0, half + 1), [0]])
    likes[0] = 0.3
    likes = likes / likes.sum()
    person, row, age = [], [], []
    for one in range(people):
        for _ in range(rng.integers(6, 14)):
            local = int(rng.choice(half, p=likes))
            upper = (one % 2 == 1) != (rng.random() < 1 / 12)
            person.append(one)
            row.append(rows - 1 - local if upper else local)
            age.append(rng.uniform(0.5, 200))
    size = len(person)
    return Interactions(
        groups=np.arange(rows, dtype=np.int64) * 3 + 5,
        people=people,
        person=np.array(person, np.int32),
        row=np.array(row, np.int32),
        kind=np.full(size, contract.PURCHASE, np.int8),
        age=np.array(age, np.float32),
        order=np.arange(size, dtype=np.int64) // 2,
        amount=rng.integers(1, 5, size).astype(np.float32),
    )
