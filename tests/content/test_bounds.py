"""A template that does too much is stopped while it is published, and costs nobody anything when it is shown."""

import asyncio
import time
from typing import Any

import pytest

from app.content import formats, liquid
from app.content.bounds import Clock
from app.content.liquid import BadTemplate, TooSlow, compiled, rendered
from app.content.templates import trial
from app.content.templates.defaults import DEFAULTS
from app.content.templates.domain import from_document

TEXT = {"frame": "{% for card in cards %}{{ card }}{% endfor %}", "card": "{{ item.title }}"}
GROWING = "{% assign s = 'aaaaaaaaaaaaaaaa' %}{% for i in (1..40) %}{% assign s = s | append: s %}{% endfor %}"
LARGE = "{% assign s = 'aaaaaaaaaaaaaaaa' %}{% for i in (1..11) %}{% assign s = s | append: s %}{% endfor %}"
LISTED = "{% assign a = 'a,b,c' | split: ',' %}{% for i in (1..40) %}{% assign a = a | concat: a %}{% endfor %}"
BOMBS = [
    "{% for i in (1..1000000000000) offset:999999999999 limit:1 %}x{% endfor %}",
    "{% for i in (1..100000000) offset: 99999999 limit: 1 %}x{% endfor %}",
    "{% tablerow i in (1..100000000) offset: 99999999 limit: 1 %}x{% endtablerow %}",
    "{% for i in (1..100000000) reversed limit: 1 %}x{% endfor %}",
    "{% assign n = 100000000 %}{% for i in (n..200000000) offset: n limit: 1 %}x{% endfor %}",
    "{% assign a = (items['a']..9) %}",
    "{% assign a = ('a b'..90000000) | sort %}",
    "{{ x | default: (1..9) }}",
    "{% if (1..9) == x %}{% endif %}",
    LARGE + "{{ s | replace: 'a', s | replace: 'a', s }}",
    LARGE + "{% assign s = s | append: s | append: s %}{{ s }}",
    LARGE + "{{ s | split: '' | size }}",
    GROWING,
    LISTED,
    "{% assign s = '<<<<<<<<<<<<<<<<' %}{% for i in (1..11) %}{% assign s = s | append: s %}{% endfor %}{{ s | strip_html }}",
    "{{ 5 | round: -999999999 }}",
    "{{ 5 | round: '-999999999' }}",
    "{% assign n = 999999999 %}" + "{% assign n = n | times: n %}" * 40 + "{{ n }}",
    "{{ '1e400' | ceil }}",
    "{% for i in (1..5000) %}" + "{% if 1 == 2 %}{% endif %}" * 2000 + "{% endfor %}",
    "{% tablerow i in (1..5000) cols: 3 %}" + "{% if 1 == 2 %}{% endif %}" * 2000 + "{% endtablerow %}",
    "{% for i in (1..4900) %}{{ i | times: 3 | plus: 1 | append: 'x' | upcase | size | minus: 2 | times: 9 }}" * 8 + "{% endfor %}" * 8,
]


@pytest.mark.parametrize("source", BOMBS)
def test_no_template_takes_a_server_longer_than_its_budget(source: str) -> None:
    begun = time.thread_time()
    with pytest.raises(BadTemplate):
        rendered(compiled(source, formats.HTML), {})
    assert time.thread_time() - begun < 1.0


@pytest.mark.parametrize("source", BOMBS)
def test_such_a_template_is_not_published(source: str) -> None:
    for part in ({"frame": TEXT["frame"], "card": source}, {"frame": source, "card": "x"}):
        assert trial.tried({"html": part, "text": TEXT}, []).startswith("html: ")


async def test_a_template_that_never_ends_is_killed_and_the_loop_goes_on_meanwhile() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.01)
            turns += 1

    counting = asyncio.create_task(count())
    # the parser looks for an end from each of these
    wrong = await trial.fault({"html": {"frame": "{{" * 50_000, "card": "x"}, "text": TEXT}, [])
    counting.cancel()
    assert wrong == "it takes too much time or memory to be read and rendered"
    assert turns > 50


async def test_the_templates_that_shops_begin_with_pass_on_fifty_cards_with_time_to_spare() -> None:
    for document in DEFAULTS.values():
        assert await trial.fault(document, [{"title": f"Item {number}", "price": number} for number in range(50)]) is None


async def test_a_card_that_fails_on_an_item_of_the_catalogue_is_told_while_it_is_published() -> None:
    document = {"html": {"frame": TEXT["frame"], "card": "{{ 100 | divided_by: item.image_height }}"}, "text": TEXT}
    assert await trial.fault(document, []) is None
    assert "divide by 0" in (await trial.fault(document, [{"image_height": 0}]) or "")


def test_fifty_cards_that_are_too_much_together_are_refused_though_one_is_not() -> None:
    loop = "{% for i in (1..400) %}{% if item.image_width == i %}x{% endif %}{% endfor %}"
    source = {"frame": TEXT["frame"], "card": loop * 4}
    part = from_document("x", 1, {"html": source, "text": TEXT}).parts["html"]
    part.whole_card({"image_width": 3}, "en", Clock(1.0))
    assert trial.tried({"html": source, "text": TEXT}, []).startswith("html: 50 cards: it takes more than ")


def test_waiting_for_the_processor_costs_a_template_nothing() -> None:
    clock = Clock(0.01)
    time.sleep(0.03)
    assert rendered(compiled("{% for i in (1..9) %}{{ i }}{% endfor %}", formats.TEXT), {}, clock) == "123456789"


def test_a_clock_is_shared_by_all_that_is_rendered_for_one_answer() -> None:
    template = compiled("{% for i in (1..2000) %}{{ i | plus: 1 }}{% endfor %}", formats.TEXT)
    clock = Clock(liquid.SERVE_S)

    def often() -> None:
        for _ in range(1_000):
            rendered(template, {}, clock)

    with pytest.raises(TooSlow):
        often()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ 'a-b-c' | replace: '-', '+' }}", "a+b+c"),
        ("{{ 'a,b' | split: ',' | concat: more | size }}", "4"),
        ("{% for i in (1..100) offset: 98 %}{{ i }},{% endfor %}", "99,100,"),
        ("{{ 3.14159 | round: 2 }}", "3.14"),
        ("{{ '2026-05-01' | date: '%d.%m.%y' }}", "01.05.26"),
        ("{{ '<b>x</b>' | strip_html }}", "x"),
    ],
)
def test_what_templates_are_for_goes_on_working(source: str, expected: str) -> None:
    values: dict[str, Any] = {"more": [1, 2]}
    assert rendered(compiled(source, formats.TEXT), values) == expected
