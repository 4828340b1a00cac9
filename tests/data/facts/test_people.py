"""Facts of people: the same events give the same bytes in any order, and each says what a plain reading of the events says."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.data.facts import packed, repacked
from app.data.facts.build import HALF_LIFE_S
from app.data.facts.domain import Motion, Ref, Subject, Value, still
from app.data.facts.entries import everything
from app.data.facts.packed import BRAND, CATEGORY, word_number
from app.data.profiles.buckets import WINDOWS
from app.data.profiles.build import profiles
from app.data.profiles.codec import unpack_profile
from app.data.profiles.event_columns import distinct
from tests.data.facts.people import THINGS, people, values, view
from tests.data.people.test_profile import ADD, BUY, EVENTS, NOW, VIEW, Told, rows

FACTS = everything(lambda: {"vip": 3, "lost": 4})
WEIGHTS = {VIEW: 1, 2: 1, 4: 3, ADD: 3, BUY: 5}


def read(fact: str, person: packed.PersonFacts | None, now: float = NOW) -> Value:
    parts, key, window = fact, None, ""
    if "[" in fact:
        parts, _, rest = fact.partition("[")
        key, _, window = rest.partition("]")
    entry, ref = FACTS.find(parts.split("."), key, window.strip("."))
    return entry.reading(ref)(view(person, now))


@settings(max_examples=100, deadline=None)
@given(EVENTS, st.randoms(use_true_random=False))
def test_any_order_of_events_gives_the_same_bytes(events: list[Told], chance: random.Random) -> None:
    wanted = values(events)
    shuffled = list(enumerate(events, 1))
    chance.shuffle(shuffled)
    assert values([one for _, one in shuffled], [number for number, _ in shuffled]) == wanted


@settings(max_examples=100, deadline=None)
@given(EVENTS, st.integers(0, 500 * 86_400))
def test_counts_say_what_the_profile_says_at_every_moment(events: list[Told], later: int) -> None:
    columns = distinct(rows(events))
    for (_, facts), value in zip(sorted(people(events).items()), profiles(columns), strict=True):
        profile = unpack_profile(value)
        assert profile is not None
        counts = profile.counts(NOW + later)
        for window in WINDOWS:
            assert read(f"views.{window}", facts, NOW + later) == counts.get("view", {}).get(window, 0)
            assert read(f"orders.{window}", facts, NOW + later) == counts.get("order", {}).get(window, 0)
            assert read(f"opens.{window}", facts, NOW + later) == counts.get("signal_open", {}).get(window, 0)
        assert read("orders", facts) == counts.get("order", {}).get("ever", 0)
        assert read("spent", facts) == pytest.approx(profile.order_value)
        assert facts.cart == [tuple(line) for line in profile.cart.tolist()]
        visits = profile.visits
        assert read("visit.seconds", facts) == (pytest.approx(visits["length"].mean()) if len(visits) else None)
        assert read("visit.pages", facts) == (pytest.approx(visits["pages"].mean()) if len(visits) else None)
        assert read("visit.items", facts) == (pytest.approx(visits["items"].mean()) if len(visits) else None)


@settings(max_examples=100, deadline=None)
@given(EVENTS)
def test_what_was_done_with_categories_and_brands_is_what_a_plain_reading_says(events: list[Told]) -> None:
    for person, facts in people(events).items():
        own = [one for one in events if one.person == person]
        newest = max(one.second for one in own)
        # what a letter did to somebody is no act of theirs
        acts = [one for one in own if one.item and one.kind in WEIGHTS and (not one.signal or one.signal >= 8)]
        weights: Counter[str] = Counter()
        for one in acts:
            weight = WEIGHTS[one.kind] * 0.5 ** ((newest - one.second) / HALF_LIFE_S)
            for word in (THINGS[one.item].category, THINGS[one.item].brand):
                weights[word] += weight
            if ">" in THINGS[one.item].category:
                weights["Women"] += weight
            weights[""] += weight
        for sort, words in ((CATEGORY, ("Women", "Women > Dresses", "Women > Shoes", "Men")), (BRAND, ("Nordhavn", "Sol"))):
            for word in words:
                name = "category" if sort == CATEGORY else "brand"
                share = weights[word] / weights[""] if weights[""] else 0.0
                assert read(f"affinity.{name}[{word}]", facts) == pytest.approx(share, abs=1e-4)
                for kind, plural in ((VIEW, "views"), (BUY, "purchases")):
                    many = sum(
                        one.kind == kind and word in (THINGS[one.item].brand, THINGS[one.item].category, THINGS[one.item].category[:5])
                        for one in acts
                    )
                    assert read(f"{plural}.{name}[{word}]", facts) == many


def test_single_facts_say_what_happened() -> None:
    events = [
        Told(NOW - 100 * 86_400, BUY, 1, order=1, value=10.0, quantity=2.0),
        Told(NOW - 5 * 86_400, BUY, 2, order=2, value=40.0),
        Told(NOW - 3_600, ADD, 3),
        *(Told(NOW - 40 * 86_400 - hour, 0, signal=1, on_site=False) for hour in range(4)),
        Told(NOW - 40 * 86_400, 0, signal=9, on_site=False),
        Told(NOW - 60, VIEW, 1),
    ]
    (person,) = people(events).values()
    assert read("orders", person) == 2
    assert read("spent", person) == 60
    assert read("spent.30d", person) == 40
    assert read("spent.365d", person) == 60
    assert read("average_order", person) == 30
    assert read("days_since.order", person) == 5
    assert read("days_since.open", person) == 40
    assert read("days_since.bounce", person) is None
    assert read("days_since.first", person) == 100
    assert read("open_rate", person) == 0.25
    assert read("open_rate.30d", person) is None
    assert read("cart.items", person) == 1
    assert read("cart.value", person) == 100
    assert read("cart.age_hours", person) == 1
    assert read("views.category[women > DRESSES].24h", person) == 1
    assert read("rfm.cell", person) == "522"
    assert read("lifecycle", person) == "customer"
    assert read("lifecycle", person, NOW + 86 * 86_400) == "at_risk"
    assert read("lifecycle", person, NOW + 181 * 86_400) == "dormant"
    assert read("trait.city", person) == "Paris"
    assert read("trait.brands", person) == frozenset({"Sol", "Luna"})
    assert read("trait.unknown", person) is None
    assert read("consent.email", person) is True
    assert read("segment.vip", person) is False
    assert read("now.hour", person) == float((NOW // 3600) % 24)
    assert read("request.placement", person) == "home"
    assert read("ctx.weather", person) == "hot"


def test_of_nobody_nothing_is_known_but_the_moment_and_the_request() -> None:
    for fact in FACTS.by_name.values():
        ref = Ref(fact.name, fact.values[0] if fact.key_needed and fact.values else "x" if fact.key_needed else "")
        if fact.subject is Subject.PERSON:
            assert fact.reading(ref)(view(None)) is None
        assert list(fact.future(ref)(view(None))) == []


def test_every_fact_is_explained_and_those_that_step_tell_when() -> None:
    for fact in FACTS.by_name.values():
        assert fact.sentence.endswith(".")
        assert fact.words
        assert fact.source
        if fact.windows:
            assert "{window}" in fact.words
        assert (fact.motion is Motion.STEPS) == (fact.future is not still)


def test_other_segments_and_another_sequence_leave_all_else_as_it_was() -> None:
    (value,) = values([Told(NOW - 60, VIEW, 1), Told(NOW - 50, BUY, 2, order=4, value=3.0)]).values()
    changed = packed.read(repacked.with_seq(repacked.with_segments(value, [3, 9]), 12))
    before = packed.read(value)
    assert changed is not None
    assert before is not None
    assert changed.segments == {3, 9}
    assert read("segment.vip", changed) is True
    assert (changed.more, changed.facets, changed.lasts, changed.money) == (before.more, before.facets, before.lasts, before.money)
    assert repacked.with_seq(repacked.with_segments(repacked.with_seq(repacked.with_segments(value, [3, 9]), 12), []), 7) == value


@pytest.mark.parametrize("value", [None, b"", b"\x05", b"\x03" + bytes(60), b"\x05" + bytes(80)])
def test_what_is_no_facts_is_nobody(value: bytes | None) -> None:
    assert packed.read(value) is None


def test_words_are_the_same_however_they_are_spelled() -> None:
    assert word_number("Women>dresses") == word_number(" women  > Dresses ")
