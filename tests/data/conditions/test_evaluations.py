"""Conditions on random people: their spellings, and what passing time does to them."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.data.conditions import syntax
from app.data.conditions.language import Condition, condition
from app.data.conditions.syntax import Wrong
from app.data.facts.entries import everything
from app.data.facts.packed import PersonFacts
from tests.data.facts.people import people, view
from tests.data.people.test_profile import EVENTS, NOW, Told

FACTS = everything(lambda: {"vip": 3})
DAY = 86_400
_COUNTS = ["views.1h", "views.24h", "views", "orders.7d", "orders.30d", "spent.90d", "spent", "opens.365d", "visits.7d", "engagement"]
_FACETS = ["views.category[Women].24h", "purchases.brand[Sol].30d", "affinity.category[Men]", "cart.value", "open_rate.30d", "rfm.recency"]
_STEADY = ["days_since.view", "days_since.order", "days_since.open", "days_since.seen", "cart.age_hours"]
_TEXTS = ["trait.city", "lifecycle", "trait.age", "trait.vip", "trait.brands", "rfm.cell"]
_OPS = st.sampled_from(["<", "<=", ">", ">="])
_NUMBERS = st.sampled_from([0, 1, 2, 3, 0.25, 0.5, 5, 30, 41, 100])

_leaves = st.one_of(
    st.builds("{} {} {}".format, st.sampled_from(_COUNTS + _FACETS), st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), _NUMBERS),
    st.builds("{} {} {}".format, st.sampled_from(_STEADY), _OPS, _NUMBERS),
    st.builds("{} {} {}".format, _NUMBERS, _OPS, st.sampled_from(_STEADY + _COUNTS)),
    st.builds("{} {} {} * 2".format, st.sampled_from(_COUNTS), _OPS, st.sampled_from(_COUNTS + _FACETS)),
    st.builds(
        '{} {} "{}"'.format, st.sampled_from(["trait.city", "trait.age", "rfm.cell"]), _OPS, st.sampled_from(["paris", "Lyon", "41"])
    ),
    st.builds(
        '{} {}in ("paris", "dormant", 41, "lead")'.format,
        st.sampled_from(["trait.city", "trait.age", "trait.vip", "trait.brands"]),
        st.sampled_from(["", "not "]),
    ),
    st.builds('trait.brands contains "{}"'.format, st.sampled_from(["sol", "mars"])),
    st.builds("known({})".format, st.sampled_from(_TEXTS + _STEADY + ["open_rate.30d"])),
    st.sampled_from(["trait.vip", "consent.email", "segment.vip", 'lifecycle = "lead"', 'lifecycle != "dormant"', "spent / orders > 3"]),
)
CONDITIONS = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner), st.builds("({} or {})".format, inner, inner), st.builds("not ({})".format, inner)
    ),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None)
@given(CONDITIONS)
def test_every_spelling_reads_back_as_the_same(text: str) -> None:
    found = condition(text, FACTS)
    assert condition(found.text, FACTS).node == found.node
    assert condition(found.document, FACTS).node == found.node


@settings(max_examples=200, deadline=None)
@given(EVENTS, CONDITIONS)
def test_time_changes_a_condition_exactly_at_the_moments_that_were_told(events: list[Told], text: str) -> None:
    found = condition(text, FACTS)
    for person in people(events).values():
        told, now = [], float(NOW)
        while (at := found.next_change(view(person, now))) is not None and at < NOW + 500 * DAY:
            assert at > now
            assert found.test(view(person, at)) is not found.test(view(person, now))
            told.append(at)
            now = at
            if len(told) > 40:
                break
        moments = sorted({NOW + 500 * DAY * step / 997 for step in range(997)})
        if len(told) <= 40:
            assert [found.test(view(person, at)) for at in moments] == _as_told(found, person, told, moments)


def test_a_rate_becomes_unknown_when_the_last_letter_leaves_its_window() -> None:
    sent = [Told(NOW, -9, item=0, signal=0), Told(NOW, -9, item=0, signal=1)]
    person, found = people(sent)[1], condition("known(open_rate.30d)", FACTS)
    at = found.next_change(view(person))
    assert at is not None
    assert abs(at - NOW - 30 * DAY) < 3600
    assert found.test(view(person, at - 1))
    assert not found.test(view(person, at))


def _as_told(found: Condition, person: PersonFacts, told: Sequence[float], moments: Sequence[float]) -> list[bool]:
    start = found.test(view(person, NOW))
    # a change at t may need a thousandth of a second to show
    return [start ^ (sum(at <= moment for at in told) % 2 == 1) for moment in moments]


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="orders.30d views>=<()[]\"'\\and not in,?:+-*/%1 \n\x00é", max_size=60))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    try:
        found = condition(text, FACTS)
    except Wrong as error:
        told = str(error)
    else:
        told = found.sentence
        assert found.test(view(None)) in (True, False)
        assert condition(found.text, FACTS).node == found.node
    assert told


def test_the_size_of_a_node_is_bounded_before_it_is_looked_at() -> None:
    node: Any = syntax.Holds(syntax.Flag(True))
    for _ in range(100):
        node = syntax.Not(node)
    with pytest.raises(Wrong, match="nested deeper"):
        syntax.bounded(node)
