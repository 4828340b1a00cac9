"""Conditions and formulas: what they say, how they are spelled, and what is refused in which words."""

from typing import Any

import pytest

from app.data.conditions.language import condition, formula
from app.data.conditions.syntax import Wrong
from app.data.facts.domain import Subject
from app.data.facts.entries import everything
from app.data.facts.moments import score_entry
from tests.data.facts.people import people, view
from tests.data.people.test_profile import ADD, BUY, NOW, VIEW, Told

FACTS = everything(lambda: {"vip": 3}, [score_entry()])
DAY = 86_400
PERSON = people(
    [
        *(Told(NOW - 3_000 * number, VIEW, 1) for number in range(1, 6)),
        Told(NOW - 20 * DAY, BUY, 1, order=1, value=600.0),
        Told(NOW - 2 * DAY, ADD, 3),
        *(Told(NOW - 10 * DAY, 0, signal=1, on_site=False) for _ in range(4)),
        Told(NOW - 40 * DAY, 0, signal=9, on_site=False),
    ]
)[1]


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ('views.category["Women > Dresses"].24h > 3', True),
        ("views.category[Women > Dresses].24h > 3", True),
        ("views.category[Women].24h >= 6", False),
        ("orders.30d >= 1 and spent.30d > 500 and visits.7d > 50", False),
        ("orders.30d >= 1 and spent.30d > 500 and visits.7d > 0", True),
        ("sends.30d > 0 and days_since.open > 30", True),
        ("purchases.30d > 5 and open_rate > 50 %", False),
        ("purchases.30d < 2 or open_rate < 10%", True),
        ('trait.city in ("Lyon", "PARIS ")', True),
        ('trait.city not in ("Lyon")', True),
        ('trait.shoe not in ("Lyon")', False),
        ("trait.shoe = 42", False),
        ("trait.shoe != 42", False),
        ("not trait.shoe = 42", True),
        ("known(trait.shoe)", False),
        ("not known(trait.shoe) and known(trait.city)", True),
        ("trait.age > 40 and trait.vip", True),
        ('trait.age = "41"', True),
        ('trait.brands contains "sol"', True),
        ('"Luna" in trait.brands', True),
        ('trait.brands in ("Luna", "Mars")', True),
        ('trait.brands not in ("Mars")', True),
        ('trait.city contains "ari"', True),
        ("spent / orders > 599", True),
        ("spent / bounces > 1", False),
        ("not (spent / bounces > 1)", True),
        ("min(orders, 5) + max(1, 2) * 2 = 5", True),
        ("default(trait.shoe, 40) = 40", True),
        ("-orders < 0 && !(orders > 1) || false", True),
        ("segment[vip]", False),
        ('request.placement = "home" and ctx.weather == "hot"', True),
        ("true", True),
        ("orders > 0 ? views > 100 : true", False),
    ],
)
def test_a_condition_holds_or_not_in_both_spellings(text: str, holds: bool) -> None:
    if "?" in text:
        with pytest.raises(Wrong, match="a condition and no value"):
            condition(text, FACTS)
        return
    found = condition(text, FACTS)
    assert found.test(view(PERSON)) is holds
    assert condition(found.text, FACTS).node == found.node
    assert condition(found.document, FACTS).node == found.node
    assert found.sentence.endswith(".")


def test_a_document_says_what_the_text_says() -> None:
    written = {
        "all": [
            {"fact": "orders.30d", "is": ">=", "value": 1},
            {"not": {"any": [{"fact": "trait.city", "in": ["Lyon"]}, {"known": "trait.shoe"}]}},
            {"fact": "spent", "is": ">", "other": "orders * 10"},
            'days_since.open > 30 and trait.brands contains "Sol"',
        ]
    }
    found = condition(written, FACTS)
    assert found.test(view(PERSON)) is True
    assert found.text == (
        'orders.30d >= 1 and not (trait.city in ("Lyon") or known(trait.shoe)) and spent > orders * 10 and '
        '(days_since.open > 30 and trait.brands contains "Sol")'
    )


def test_a_condition_is_a_sentence() -> None:
    said = condition('orders.30d >= 3 and trait.city in ("Paris", "Lyon") and not segment.vip', FACTS).sentence
    assert said == (
        "Orders in the last 30 days is at least 3 and the trait city is “Paris” or “Lyon” and it is not so that the person is in the "
        "segment vip."
    )


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("", "it is empty"),
        ("   ", "it is empty"),
        ("order.30d > 2", "at character 1: there is no fact order.30d; did you mean orders?"),
        ("views > 1 and veiws > 2", "at character 15: there is no fact veiws; did you mean views?"),
        ("orders.3d > 2", "orders has no window 3d: it takes 1h, 24h, 7d, 30d, 90d, 365d"),
        ("views.category > 2", "views.category needs a category in brackets"),
        ("views.category[] > 2", "the brackets are empty"),
        ("orders[x] > 2", "orders takes nothing in brackets"),
        ("affinity.price_band[cheap] > 0", "affinity.price_band has no band cheap: there are low, middle, high"),
        ("orders", "orders is a number: compare it with something"),
        ('orders > "x"', 'orders is a number, "x" is a text: they cannot be compared'),
        ('lifecycle = "dorment"', 'lifecycle is never "dorment"; did you mean dormant?'),
        ('orders in ("a")', 'orders is a number, but "a" in the list is a text'),
        ("orders in (trait.x)", "a list holds numbers and quoted texts only"),
        ("consent.email > true", "consent.email is true or false, and neither more nor less"),
        ("orders contains 1", "orders is a number: nothing can be in it"),
        ('"a" = "b"', "neither side names a fact"),
        ("1 < orders < 3", "a comparison has two sides"),
        ("(orders > 1", "')' is missing before the end"),
        ("orders > 1)", "')' is not expected here"),
        ('trait.x = "a', "a quote is missing"),
        ("orders > 1; drop table", "';' has no meaning here"),
        ("orders > 1e999", "1e999 is too large"),
        ("sin(orders) > 1", "there is no function sin"),
        ("sqrt(orders, 2) > 1", "sqrt takes 1 values"),
        ("lifecycle + 1 > 2", "+ takes numbers, and lifecycle is a text"),
        ("(" * 100 + "orders > 1" + ")" * 100, "nested deeper than 40 levels"),
        ("not " * 4000 + "orders > 1 and x", "there is no fact x"),
        (" and ".join(["orders > 1"] * 5000), "longer than 20,000 characters"),
        (" and ".join(["orders>1"] * 1500), "more than 1,000 parts"),
        ({"all": ["orders > 1"] * 5000}, "all: more than 1,000 parts"),
        ({"fact": "orders", "is": "~", "value": 1}, "is: ~ is none of"),
        ({"fact": "orders"}, "beside fact stands is"),
        ({"fact": "orders", "in": []}, "beside fact stands is"),
        ({"fact": "orders", "is": ">", "value": None}, "value: a value is a number, a text, true or false"),
        ({"all": ["orders > 1", {"any": ["odrers > 1"]}]}, "all.1.any.0: at character 1: there is no fact odrers"),
        ({"nor": []}, "nor: a condition has all, any"),
        ({}, "an empty object"),
        ([], "a condition is a text or an object"),
        (None, "a condition is a text or an object"),
        ({"all": "orders > 1"}, "all: a condition has"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place_and_what_to_do(written: Any, told: str) -> None:
    with pytest.raises(Wrong) as error:
        condition(written, FACTS)
    assert told in str(error.value)


def test_a_document_that_holds_itself_deeply_is_refused() -> None:
    nested: Any = "orders > 1"
    for _ in range(500):
        nested = {"not": nested}
    with pytest.raises(Wrong, match="nested deeper"):
        condition(nested, FACTS)


def test_what_may_not_be_known_where_a_condition_stands_is_refused() -> None:
    with pytest.raises(Wrong, match=r"now\.hour is of the moment, which a segment does not know"):
        condition("orders > 1 and now.hour > 3", FACTS, (Subject.PERSON,), "a segment")


@pytest.mark.parametrize("text", ["days_since.open = 3", "days_since.open > days_since.order", "days_since.open + 1 > 2", "now.hour > 3"])
def test_a_condition_that_changes_at_every_moment_tells_no_next_one(text: str) -> None:
    with pytest.raises(Wrong, match="changes at every moment: compare it with a number"):
        condition(text, FACTS).next_change(view(PERSON))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("score * (1 + 0.2 * orders)", 2.4),
        ('score + (ctx.weather == "hot" ? 5 : 0)', 7.0),
        ("score / 0", None),
        ("score / bounces", None),
        ("score * 1e14 * 1e14", None),
        ("exp(1000)", None),
        ("log(0)", None),
        ("sqrt(0 - 1)", None),
        ("score * trait.shoe", None),
        ("score * default(trait.shoe, 3)", 6.0),
        ("-score - -1", -1.0),
        ("2 - 1 - 1", 0.0),
        ("8 / 4 / 2", 1.0),
        ("round(score * 1.3)", 3.0),
        ("trait.age", 41.0),
    ],
)
def test_a_formula_gives_a_number_or_is_unknown_and_never_fails(text: str, number: float | None) -> None:
    found = formula(text, FACTS)
    seen = view(PERSON)
    seen.score = 2.0
    given = found.number(seen)
    assert given == (None if number is None else pytest.approx(number))
    again = formula(found.text, FACTS).number(seen)
    assert again == given


@pytest.mark.parametrize(("text", "told"), [("orders > 1", "a condition and no value"), ('"x"', "a formula gives a number"), ("", "empty")])
def test_what_is_no_formula_is_refused(text: str, told: str) -> None:
    with pytest.raises(Wrong, match=told):
        formula(text, FACTS)
