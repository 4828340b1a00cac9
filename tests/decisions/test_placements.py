"""What a placement's filter means."""

import pytest
from pydantic import ValidationError

from app.decisions.placements.domain import Filter, Placement


def test_equal_filters_have_equal_keys_and_others_do_not() -> None:
    assert Filter(categories=("A",)).key == Filter(categories=("A",)).key
    assert Filter(categories=("A",)).key != Filter(categories=("A",), exclude_bought=True).key
    assert len({Filter().key, Filter(price_min=1).key, Filter(price_max=1).key, Filter(brands=("A",)).key}) == 4


def test_a_category_of_the_request_narrows_and_never_widens() -> None:
    women = Filter(categories=("Women",), exclude_bought=True)
    assert women.narrowed("Women > Dresses") == Filter(categories=("Women > Dresses",), exclude_bought=True)
    assert women.narrowed("Women > Dresses").key != women.key
    assert women.narrowed("Men") is women
    assert women.narrowed("women>DRESSES").categories == ("women>DRESSES",)
    assert women.narrowed("Men", "Women > Coats").categories == ("Women > Coats",)
    assert Filter().narrowed("Men") == Filter(categories=("Men",))


def test_a_placement_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValidationError):
        Placement.model_validate({"colour": "red"})
    with pytest.raises(ValidationError):
        Placement.model_validate({"count": 51})
