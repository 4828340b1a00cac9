"""Packed states: what goes in comes out as exactly as it says, anything else is a miss."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as some

from app.data.profiles.state_codec import (
    AMOUNT_ERROR,
    State,
    StateView,
    empty_state,
    pack_pointer,
    pack_state,
    state_seq,
    unpack_pointer,
    unpack_state,
    view_state,
)

HOUR = 3600
NOW = 1_790_000_000
YEAR = 365 * 86_400


def state(h: int, b: int, consent: bool | None = None, country: str = "") -> State:
    """Return a state like a busy shopper's: two years, purchases and views, small amounts."""
    rng = np.random.default_rng(h * 1000 + b)
    times = rng.integers(1, 9, h).astype(np.uint16)
    return State(
        (1 << 62) + 5,
        (1 << 62) - 1,
        consent,
        country,
        NOW,
        rng.integers(0, 100_000, h).astype(np.uint32),
        np.sort(NOW - rng.integers(0, 2 * YEAR, h)).astype(np.uint32),
        rng.choice([2, 3, 7], h).astype(np.uint8),
        times,
        times.astype(np.float32),
        rng.integers(0, 100_000, b).astype(np.uint32),
        rng.integers(0, 2**16, b).astype(np.uint16),
    )


def columns(h: int) -> st.SearchStrategy[dict[str, np.ndarray]]:
    """Histories up to what the types can hold: any group number, moment, kind, number of times and amount."""

    def of(dtype: type, **limits: object) -> st.SearchStrategy[np.ndarray]:
        return some.arrays(dtype, h, elements=some.from_dtype(np.dtype(dtype), **limits))

    return st.fixed_dictionaries(
        {
            "groups": of(np.uint32) | of(np.uint32, max_value=2**17 - 1) | of(np.uint32, min_value=2**24 - 3, max_value=2**24 + 3),
            "last_at": of(np.uint32) | of(np.uint32, min_value=NOW - YEAR, max_value=NOW) | of(np.uint32, max_value=1),
            "kinds": of(np.uint8) | of(np.uint8, max_value=7),
            "times": of(np.uint16) | of(np.uint16, max_value=31),
            "amounts": of(np.float32, allow_nan=False)
            | of(np.float32, min_value=-(2.0**10), max_value=2.0**10, allow_nan=False)
            | of(np.uint8).map(lambda whole: whole.astype(np.float32)),
        }
    )


@given(st.integers(0, 250).flatmap(columns), st.integers(0, 2**32 - 1), st.sampled_from([None, True, False]), st.text(max_size=40))
@settings(deadline=None, max_examples=300)
def test_a_history_comes_back_within_the_errors_that_are_promised(
    given_columns: dict[str, np.ndarray], last_seen: int, consent: bool | None, country: str
) -> None:
    packed = pack_state(state(0, 3, consent, country)._replace(last_seen=last_seen, **given_columns))
    found = unpack_state(packed)
    assert found is not None
    assert (found.last_seen, found.consent, found.country) == (last_seen, consent, country)
    for name in ("groups", "kinds", "times"):
        assert np.array_equal(getattr(found, name), given_columns[name]), name
    span = int(given_columns["last_at"].max()) - int(given_columns["last_at"].min()) if len(given_columns["last_at"]) else 0
    off = np.abs(found.last_at.astype(np.int64) - given_columns["last_at"])
    unit = -(-span // 65_535) or 1
    if unit > HOUR:
        assert not off.any()
    # the first hour of 1970 is told to within the hour, since rounding must not lead before it
    assert (off <= np.where(given_columns["last_at"] < unit, unit, unit / 2)).all()
    assert np.isclose(found.amounts, given_columns["amounts"], rtol=AMOUNT_ERROR, atol=0).all()


@given(st.integers(0, 300), st.integers(0, 300))
def test_what_was_bought_and_who_it_is_come_back_exactly(h: int, b: int) -> None:
    given_state = state(h, b, True, "GB")
    found = unpack_state(pack_state(given_state))
    assert found is not None
    assert found[:5] == given_state[:5]
    assert np.array_equal(found.bought, given_state.bought)
    assert np.array_equal(found.bought_day, given_state.bought_day)


def test_the_order_of_a_history_stays() -> None:
    """Oldest first: two moments may become one, but none overtakes another."""
    found = unpack_state(pack_state(state(200, 0)))
    assert found is not None
    assert (np.diff(found.last_at.astype(np.int64)) >= 0).all()


@given(some.arrays(np.float32, 20, elements=some.from_dtype(np.dtype(np.float32), min_value=0.0078125, max_value=1e6)))
def test_amounts_of_money_are_right_to_a_thousandth(amounts: np.ndarray) -> None:
    found = unpack_state(pack_state(state(20, 0)._replace(amounts=amounts)))
    assert found is not None
    assert (np.abs(found.amounts - amounts) <= AMOUNT_ERROR * amounts).all()


@pytest.mark.parametrize("amount", [0.0, -1.0, 3e38, -3e38, 1e-30, 0.333, 255.0, 256.0, 65_504.0, 65_536.0, np.inf])
def test_any_amount_survives_beside_others(amount: float) -> None:
    amounts = np.array([1.0, amount, 2.0], np.float32)
    found = unpack_state(pack_state(state(3, 0)._replace(amounts=amounts)))
    assert found is not None
    assert np.allclose(found.amounts, amounts, rtol=AMOUNT_ERROR, atol=0)


def test_a_shopper_of_a_hundred_thousand_groups_needs_few_bytes() -> None:
    """The sizes that the figure of bytes a person rests on."""
    assert len(pack_state(state(50, 0, True, "GB"))) <= 305
    assert len(pack_state(state(50, 10, True, "GB"))) <= 365


@given(st.integers(0, 60), st.integers(0, 60), st.sampled_from([None, True, False]))
def test_a_view_says_what_the_whole_state_says(h: int, b: int, consent: bool | None) -> None:
    given_state = state(h, b, consent)
    view = view_state(pack_state(given_state))
    assert isinstance(view, StateView)
    assert (view.seq, view.person_no, view.consent) == (given_state.seq, given_state.person_no, consent)
    assert (view.groups_count, view.bought_count) == (h, b)
    assert view.groups.tolist() == given_state.groups.tolist()
    assert view.bought.tolist() == given_state.bought.tolist()
    whole = view.whole()
    assert whole is not None
    assert whole.times.tolist() == given_state.times.tolist()


@given(st.binary(max_size=200), st.binary(min_size=30, max_size=90))
def test_any_other_bytes_are_a_miss_and_never_raise(value: bytes, noise: bytes) -> None:
    unpack_state(value)
    unpack_pointer(value)
    unpack_state(b"\x03" + noise)
    if (view := view_state(b"\x03" + noise)) is not None:
        assert len(view.bought) == view.bought_count
        view.whole()
        assert view.groups is not None
    assert unpack_state(b"\x63" + value) is None
    assert state_seq(b"\x63" + value) is None


def test_a_state_of_the_format_before_is_a_miss() -> None:
    before = b"\x01" + pack_state(state(5, 3))[1:]
    assert unpack_state(before) is None
    assert view_state(before) is None


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
    pointer = pack_pointer(b"123456789012", 7)
    assert unpack_pointer(pointer) == b"123456789012"
    assert unpack_state(pointer) is None
    assert unpack_pointer(pack_state(empty_state(1, 2, None))) is None
