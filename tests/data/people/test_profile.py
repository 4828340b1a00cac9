"""Profiles: the same events give the same bytes in any order, and what they say is what a plain reading of the events says."""

import random
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.data.kinds import Signal
from app.data.profiles import buckets
from app.data.profiles.build import profiles
from app.data.profiles.codec import ACTIVE_DAY, NOTHING, ORDER, UNITS, VISIT, Profile, unpack_profile
from app.data.profiles.event_columns import ROW, distinct

NOW = 1_790_000_000
PG_EPOCH = 946_684_800
DAY = 86_400
ADD, REMOVE, CLEAR, BUY, PAGE, VIEW = 5, -2, -3, 7, -1, 3


class Told(NamedTuple):
    """One event as it is told."""

    second: int
    kind: int
    item: int = 0
    person: int = 1
    order: int = 0
    quantity: float = 1.0
    value: float = 0.0
    on_site: bool = True
    signal: int = 0


def rows(events: list[Told], numbers: list[int] | None = None) -> Any:
    """Return events as PostgreSQL copies them, numbered as they came unless told otherwise."""
    found = np.zeros(len(events), ROW)
    for place, one in enumerate(events):
        row = found[place]
        row["person"], row["group"], row["item"], row["kind"] = one.person, one.item, one.item, one.kind
        row["moment"] = (one.second - PG_EPOCH) * 1_000_000
        row["order"], row["number"] = one.order, numbers[place] if numbers else place + 1
        row["quantity"], row["value"], row["on_site"], row["signal"] = one.quantity, one.value, one.on_site, one.signal
    return found


def packed(events: list[Told], numbers: list[int] | None = None) -> list[bytes]:
    return profiles(distinct(rows(events, numbers)))


def profile(*events: Told) -> Profile:
    """Return the profile of the only person."""
    (value,) = packed(list(events))
    found = unpack_profile(value)
    assert found is not None
    return found


def cart(found: Profile) -> dict[int, int]:
    return dict(zip(found.cart["item"].tolist(), found.cart["quantity"].tolist(), strict=True))


AGES = st.one_of(
    st.integers(0, 2 * 3_600), st.integers(0, 3 * DAY), st.integers(0, 900 * DAY), st.sampled_from([0, 60, 1800, 1801, 3600, DAY])
)
EVENTS = st.lists(
    st.builds(
        Told,
        second=AGES.map(lambda age: NOW - age),
        kind=st.sampled_from([-9, CLEAR, REMOVE, PAGE, 0, 1, 2, VIEW, ADD, ADD, BUY]),
        item=st.integers(0, 3),
        person=st.integers(1, 3),
        order=st.integers(0, 2),
        quantity=st.sampled_from([0.0, 1.0, 2.0, 3.0, -1.0, 1e9]),
        value=st.sampled_from([0.0, 5.99, 0.1, 1e9]),
        on_site=st.booleans(),
        signal=st.sampled_from([0, 0, 0, 1, 2, 9, 10]),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(EVENTS, st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_give_the_same_bytes(events: list[Told], chance: random.Random) -> None:
    wanted = packed(events)
    again = list(enumerate(events))
    chance.shuffle(again)
    numbers = chance.sample(range(1, 10_000), len(events))
    again += [one for one in again if chance.random() < 0.5]
    chance.shuffle(again)
    assert packed([one for _, one in again], [numbers[place] for place, _ in again]) == wanted


@settings(max_examples=200, deadline=None)
@given(EVENTS)
def test_what_is_summed_up_is_what_a_plain_reading_says(events: list[Told]) -> None:
    people = sorted({one.person for one in events})
    for person, value in zip(people, packed(events), strict=True):
        found, own = unpack_profile(value), [one for one in events if one.person == person]
        assert found is not None
        orders: dict[Any, int] = {}
        for one in own:
            if one.kind == BUY:
                key = one.order or ("at", one.second)
                orders[key] = min(one.second, orders.get(key, one.second))
        acts = [one for one in own if not one.signal or one.signal >= 8]
        days, visited = {one.second // DAY for one in acts}, plain_visits(own)
        extra = {VISIT: len(visited), ORDER: len(orders), ACTIVE_DAY: len(days)} | Counter(50 + one.signal for one in own if one.signal)
        assert found.newest == max(one.second for one in own)
        assert found.last_seen == max((one.second for one in acts), default=0)
        assert dict(found.totals) == Counter(one.kind for one in own if one.kind or not one.signal) | Counter(
            {kind: n for kind, n in extra.items() if n}
        )
        assert found.visits.tolist() == visited[-10:]
        assert cart(found) == plain_cart(own)
        assert (found.first_order, found.last_order) == ((min(orders.values()) // DAY, max(orders.values()) // DAY) if orders else (0, 0))
        paid = sum(round(max(min(float(np.float32(one.value)) * one.quantity * UNITS, 9e12), -9e12)) for one in own if one.kind == BUY)
        assert found.order_value == pytest.approx(paid / UNITS, abs=1e-4)


def plain_visits(events: list[Told]) -> list[tuple[int, int, int, int]]:
    found: list[list[Told]] = []
    for one in sorted(one for one in events if one.on_site):
        if found and one.second - found[-1][-1].second <= 1_800:
            found[-1].append(one)
        else:
            found.append([one])
    return [
        (own[0].second, own[-1].second - own[0].second, sum(one.kind == PAGE for one in own), len({one.item for one in own} - {0}))
        for own in found
    ]


def plain_cart(events: list[Told]) -> dict[int, int]:
    left: dict[int, int] = {}
    for one in sorted(
        events, key=lambda one: (one.second, (ADD, REMOVE, BUY, CLEAR).index(one.kind) if one.kind in (ADD, REMOVE, BUY, CLEAR) else 9)
    ):
        pieces = int(min(max(abs(one.quantity), 1), 65_535))
        if one.kind == CLEAR:
            left.clear()
        elif not one.item:
            continue
        elif one.kind == ADD:
            left[one.item] = left.get(one.item, 0) + pieces
        elif one.kind == BUY or (one.kind == REMOVE and not one.quantity):
            left.pop(one.item, None)
        elif one.kind == REMOVE:
            left[one.item] = max(0, left.get(one.item, 0) - pieces)
    return {item: min(pieces, 65_535) for item, pieces in left.items() if pieces}


# how far the edge of each window may lie off: half a step of its age
OFF = {"1h": 150, "24h": 1_800, "7d": DAY // 2, "30d": DAY // 2, "90d": DAY // 2, "365d": 7 * DAY // 2}


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.integers(0, 3_700), st.integers(0, 2 * DAY), st.integers(0, 400 * DAY)), min_size=1, max_size=40), AGES)
def test_windows_move_on_without_events_and_are_as_exact_as_told(ages: list[int], later: int) -> None:
    found = profile(*(Told(NOW - age, VIEW) for age in ages))
    now = NOW - min(ages) + later
    counted = found.counts(now)["view"]
    assert counted["ever"] == len(ages)
    for name, seconds in buckets.WINDOWS.items():
        surely = sum(now - (NOW - age) <= seconds - OFF[name] for age in ages)
        perhaps = sum(now - (NOW - age) <= seconds + OFF[name] for age in ages)
        assert surely <= counted[name] <= perhaps, name


def test_counts_stand_under_the_names_of_their_kinds() -> None:
    found = profile(
        Told(NOW, VIEW, 1), Told(NOW, PAGE), Told(NOW, 0, on_site=False), Told(NOW, BUY, 2, order=5), Told(NOW, BUY, 3, order=5)
    )
    counts = {name: within["1h"] for name, within in found.counts(NOW).items()}
    assert counts == {"view": 1, "page": 1, "other": 1, "purchase": 2, "visit": 1, "order": 1, "active_day": 1}


def test_what_was_sent_to_somebody_is_counted_and_is_no_sign_of_life() -> None:
    found = profile(
        Told(NOW, 0, on_site=False, signal=Signal.DELIVERED),
        Told(NOW - DAY, 0, on_site=False, signal=Signal.OPEN),
        Told(NOW - DAY, 2, 1, on_site=False, signal=Signal.CLICK),
    )
    counts = {name: within["ever"] for name, within in found.counts(NOW).items()}
    assert counts == {"signal_delivered": 1, "signal_open": 1, "signal_click": 1, "click": 1, "active_day": 1}
    assert (found.newest, found.last_seen) == (NOW, NOW - DAY)
    only_sent = profile(Told(NOW, 0, on_site=False, signal=Signal.SENT))
    assert (only_sent.last_seen, list(only_sent.totals)) == (0, [50 + Signal.SENT])


def test_a_purchase_at_the_till_is_no_visit_and_takes_the_item_out_of_the_cart() -> None:
    found = profile(
        Told(NOW - 60, ADD, 1), Told(NOW - 60, ADD, 2), Told(NOW, BUY, 1, on_site=False), Told(NOW + 9_000, BUY, 9, on_site=False)
    )
    assert cart(found) == {2: 1}
    assert found.visits["start"].tolist() == [NOW - 60]


def test_lists_are_cut_to_the_newest() -> None:
    found = profile(*(Told(NOW + 4_000 * n, ADD, n + 1) for n in range(80)))
    assert found.cart["item"].tolist() == list(range(31, 81))
    assert found.visits["start"].tolist() == [NOW + 4_000 * n for n in range(70, 80)]
    assert found.totals[VISIT] == 80


def test_a_profile_stays_small_whatever_somebody_does() -> None:
    chance, size = np.random.default_rng(1), 200_000
    found = np.zeros(size, ROW)
    found["person"], found["number"], found["on_site"] = 1, np.arange(size), True
    found["item"] = found["group"] = chance.integers(1, 5_000, size)
    found["kind"] = chance.integers(-3, 8, size)
    found["moment"] = (NOW - PG_EPOCH - chance.integers(0, 500 * DAY, size)) * 1_000_000
    (value,) = profiles(distinct(found))
    assert len(value) < 8_000


def test_moments_before_1970_and_empty_people_are_packed() -> None:
    found = profile(Told(-5 * 365 * DAY, VIEW, 1), Told(-5 * 365 * DAY - 60, ADD, 1))
    assert found.counts(NOW)["view"] == {**dict.fromkeys(buckets.WINDOWS, 0), "ever": 1}
    nothing = unpack_profile(NOTHING)
    assert nothing is not None
    assert (nothing.counts(NOW), len(nothing.visits), len(nothing.cart)) == ({}, 0, 0)
    assert profiles(distinct(np.zeros(0, ROW))) == []


def test_damaged_and_foreign_values_are_no_profiles() -> None:
    (value,) = packed([Told(NOW, VIEW, 1), Told(NOW - 5_000, ADD, 2)])
    damaged = [b"", value[:-1], value + b"\0", bytes((99,)) + value[1:], value[:1] + b"\3" + value[2:]]
    assert [unpack_profile(one) for one in damaged] == [None] * len(damaged)
