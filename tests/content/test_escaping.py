"""Catalogue text never leaves as markup, as a script, or as another platform's template tag."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.content.escaping import _PLAIN_ADDRESS, _rewritten, neutral_html, neutral_text, web_address
from app.content.formats import HTML
from app.content.liquid import BadTemplate, compiled, rendered, shown

HOSTILE = "<script>alert(\"x\")</script> 100%% cotton {{x}} {%y%} *|MERGE|* [[z]] ${q} 'single'"
FOREIGN_TAGS = ("%%", "{{", "}}", "{%", "%}", "*|", "|*", "[[", "]]", "${")


def test_html_keeps_no_tag_and_reads_the_same() -> None:
    out = neutral_html(HOSTILE)
    assert "<" not in out
    assert not any(tag in out for tag in FOREIGN_TAGS)
    import html

    assert html.unescape(out) == HOSTILE


def test_text_parts_the_two_characters_of_a_tag() -> None:
    assert neutral_text("100%% {{x}} {%y%} *|A|* [[z]]") == "100% % { {x} } { %y% } * |A| * [ [z] ]"
    assert neutral_text("{{{{") == "{ { { {"
    assert neutral_text("50% off [new] {a}") == "50% off [new] {a}"


@pytest.mark.parametrize(
    "chain",
    [
        "escape",
        "upcase",
        "append: '!'",
        "prepend: ' '",
        "truncate: 60",
        "split: ' ' | last",
        "newline_to_br",
        "escape_once",
        "slice: 0, 70",
        "strip",
    ],
)
def test_no_liquid_filter_lets_a_foreign_tag_or_a_script_through(chain: str) -> None:
    out = rendered(compiled("{{ t | " + chain + " }}", HTML), shown({"t": HOSTILE}, HTML))
    assert not any(tag in out for tag in FOREIGN_TAGS)
    assert "<script" not in out.lower()


@pytest.mark.parametrize(
    "source",
    [
        "{{ (1..3000000) | size }}",
        "{% assign a = (1..9) %}",
        "{{ t | safe }}",
        "{{ t | join: ',' }}",
        "{% include 'x' %}",
        "{% if %}",
        "x" * 100_001,
    ],
)
def test_a_template_that_could_harm_is_refused_with_a_reason(source: str) -> None:
    with pytest.raises(BadTemplate, match=r"\w+"):
        compiled(source, HTML)


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in (1..100000) %}{% for j in (1..100000) %}x{% endfor %}{% endfor %}",
        "{% assign s = 'aaaaaaaaaaaaaaaa' %}{% for i in (1..40) %}{% assign s = s | append: s %}{% endfor %}{{ s }}",
    ],
)
def test_a_bomb_stops_at_its_limit(source: str) -> None:
    template = compiled(source, HTML)
    with pytest.raises(BadTemplate):
        rendered(template, {})


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://a.b/x y?q=100%%&a=%20é", "https://a.b/x%20y?q=100%25%25&a=%20%C3%A9"),
        ("javascript:alert(1)", ""),
        ("//a.b/c", ""),
        ("data:text/html,x", ""),
        ("https://", ""),
        ("https://a.b/{{x}}", "https://a.b/%7B%7Bx%7D%7D"),
        ("HTTPS://a.b", "https://a.b"),
        ("https://[bad", ""),
        ("", ""),
    ],
)
def test_addresses_are_absolute_encoded_and_of_the_web(address: str, expected: str) -> None:
    assert web_address(address) == expected


@given(st.from_regex(_PLAIN_ADDRESS, fullmatch=True))
def test_an_address_that_needs_no_change_takes_the_short_way_to_the_same_result(address: str) -> None:
    assert web_address(address) == _rewritten(address) == address
