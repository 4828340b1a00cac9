"""Packed states: what goes in comes out, anything else is a miss."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.data.people.online import State, empty_state, pack_pointer, pack_state, state_seq, unpack_pointer, unpack_state


def state(h: int, b: int, consent: bool | None = None, country: str = "") -> State:
    rng = np.random.default_rng(h * 1000 + b)
    return State(
        (1 << 62) + 5,
        (1 << 62) - 1,
        consent,
        country,
        1_700_000_000,
        rng.integers(0, 2**31, h).astype(np.uint32),
        rng.integers(0, 2**32, h).astype(np.uint32),
        rng.integers(0, 8, h).astype(np.uint8),
        rng.integers(0, 70_000, h).clip(0, 65_535).astype(np.uint16),
        rng.random(h).astype(np.float32),
        rng.integers(0, 2**31, b).astype(np.uint32),
        rng.integers(0, 2**16, b).astype(np.uint16),
    )


@given(st.integers(0, 300), st.integers(0, 300), st.sampled_from([None, True, False]), st.text(max_size=40))
def test_a_state_comes_back_as_it_was_packed(h: int, b: int, consent: bool | None, country: str) -> None:
    given_state = state(h, b, consent, country)
    found = unpack_state(pack_state(given_state))
    assert found is not None
    for left, right in zip(given_state, found, strict=True):
        if isinstance(left, np.ndarray):
            assert left.dtype == right.dtype
            assert np.array_equal(left, right)
        else:
            assert left == right


@given(st.binary(max_size=200))
def test_any_other_bytes_are_a_miss_and_never_raise(value: bytes) -> None:
    unpack_state(value)
    unpack_pointer(value)
    assert unpack_state(b"\x63" + value) is None
    assert state_seq(b"\x63" + value) is None


def test_a_truncated_state_is_a_miss() -> None:
    packed = pack_state(state(5, 3, True, "GB"))
    assert all(unpack_state(packed[:end]) is None for end in range(len(packed)))


def test_the_sequence_is_read_without_the_rest() -> None:
    assert state_seq(pack_state(state(5, 3))) == (1 << 62) + 5


def test_times_saturate() -> None:
    many = state(1, 0)._replace(times=np.array([1_000_000]))
    found = unpack_state(pack_state(many))
    assert found is not None
    assert found.times[0] == 65_535


def test_a_pointer_is_no_state_and_a_state_no_pointer() -> None:
    pointer = pack_pointer(b"123456789012")
    assert unpack_pointer(pointer) == b"123456789012"
    assert unpack_state(pointer) is None
    assert unpack_pointer(pack_state(empty_state(1, 2, None))) is None
