"""Numbers of item groups in few bytes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.core import group_numbers

NUMBERS = st.lists(st.integers(0, 2**32 - 1) | st.integers(0, 2**17) | st.integers(2**24 - 2, 2**24 + 2), max_size=300)


@given(NUMBERS, st.binary(max_size=9))
def test_numbers_come_back_from_wherever_they_lie(numbers: list[int], before: bytes) -> None:
    given_numbers = np.array(numbers, np.uint32)
    planes = group_numbers.planes_for(given_numbers)
    value = group_numbers.pack_numbers(given_numbers, planes)
    assert len(value) == group_numbers.size(len(numbers), planes)
    assert group_numbers.unpack_numbers(before + value + b"rest", len(before), len(numbers), planes).tolist() == numbers


def test_a_hundred_numbers_of_a_shop_of_a_hundred_thousand_take_little_more_than_two_bytes_each() -> None:
    numbers = np.arange(100, dtype=np.uint32) * 999
    assert group_numbers.planes_for(numbers) == 1
    assert group_numbers.size(100, 1) == 213
