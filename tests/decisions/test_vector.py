"""Conditions and formulas over columns of items say what they say item by item."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.data.facts.domain import Seen
from app.decisions.rules import language, vector

FACTS = language.facts_of()
WORDS = [None, "Shoes", "shoes ", "Hats", "7"]


class Columns:
    """Items of a price, a rating, a brand and an attribute each."""

    now = 0.0

    def __init__(self, rows: list[tuple[float | None, float | None, str | None, Any]]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def item(self, index: int) -> Any:
        columns = self

        class Item:
            def value(self, name: str, key: str) -> Any:
                return columns.rows[index][["item.price", "item.rating", "item.brand", "item.attr"].index(name)]

        return Item()

    def numeric(self, name: str, key: str) -> bool:
        return name in ("item.price", "item.rating")

    def numbers(self, name: str, key: str = "") -> Any:
        return np.array([np.nan if row[name == "item.rating"] is None else row[name == "item.rating"] for row in self.rows], np.float64)

    def coded(self, name: str, key: str = "") -> Any:
        values = [row[2 if name == "item.brand" else 3] for row in self.rows]
        return np.arange(len(values)), values


numbers = st.none() | st.floats(-1e6, 1e6)
rows = st.lists(
    st.tuples(numbers, numbers, st.sampled_from(WORDS), st.sampled_from([None, 3.0, "3", True, "red"])), min_size=1, max_size=12
)
CONDITIONS = [
    "item.price > 3", "3 < item.price", "item.price != 3", "not item.price <= item.rating", 'item.brand = "shoes"', 'item.brand != "shoes"',
    'item.brand in ("Hats", "Shoes") and item.price >= 0', 'item.attr.size = 3 or known(item.rating)', "item.attr.size > 2",
    'item.brand contains "oes" and not (item.price > 0 and item.rating > 0)', "item.price * 2 > item.rating", "item.attr.size",
]  # fmt: skip
FORMULAS = [
    "score", "score * (1 + 0.2 * item.price)", "score / item.price", "1 / (score / item.price)", "sqrt(item.price)", "log(item.rating)",
    "default(item.rating, 5) + score", "min(score, item.price)", 'item.brand = "hats" ? item.price : score', "item.attr.size + 1",
    'ctx.weather = "hot" ? 5 : item.price', "item.price > item.rating ? 1 : 2", "score + ctx.bonus", "exp(item.price)",
    "score > 1 ? score : 0",
]  # fmt: skip


@pytest.mark.parametrize("text", CONDITIONS)
@settings(max_examples=60, deadline=None)
@given(rows)
def test_a_condition_holds_for_a_column_as_for_each_item(text: str, rows: Any) -> None:
    condition, items = language.where(text, FACTS), Columns(rows)
    assert condition is not None
    one_by_one = [condition.test(Seen(item=items.item(index))) for index in range(len(items))]
    assert vector.holds(condition.node, FACTS, items).tolist() == one_by_one


@pytest.mark.parametrize("text", FORMULAS)
@settings(max_examples=60, deadline=None)
@given(rows, st.sampled_from(["hot", "cold", ""]), st.sampled_from([{}, {"bonus": "2.5"}, {"bonus": "x"}]))
def test_a_formula_gives_a_column_what_it_gives_each_item(text: str, rows: Any, weather: str, more: Any) -> None:
    formula, items = language.formula(text, FACTS), Columns(rows)
    assert formula is not None
    ctx = {"weather": weather, **more}
    scores = np.linspace(-2, 5, len(items))
    each = [formula.number(Seen(item=items.item(index), ctx=ctx, score=float(scores[index]))) for index in range(len(items))]
    with np.errstate(all="ignore"):
        found = vector.number(formula.node, FACTS)(vector.Pool(np.arange(len(items)), scores, items, Seen(ctx=ctx)))
    found = np.broadcast_to(found, scores.shape)
    np.testing.assert_allclose(found, [np.nan if one is None else one for one in each], rtol=1e-12)


def test_what_a_formula_reads_of_items_alone_is_computed_once_and_before_the_first_call() -> None:
    class Counting(Columns):
        read = 0

        def numbers(self, name: str, key: str = "") -> Any:
            self.read += 1
            return super().numbers(name, key)

    formula, items = language.formula("score * (1 + 0.1 * item.price) + ctx.bonus", FACTS), Counting([(10.0, None, None, None)] * 3)
    assert formula is not None
    score = vector.number(formula.node, FACTS)
    vector.warm(score, items, 0.0)
    for bonus, worth in (("1", 5.0), ("2", 6.0)):
        pool = vector.Pool(np.array([0, 2]), np.array([2.0, 2.0]), items, Seen(ctx={"bonus": bonus}))
        assert score(pool).tolist() == [worth, worth]
    assert items.read == 1
