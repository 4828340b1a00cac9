"""Plain text: its line breaks are content."""

from app.content.formats import HTML, TEXT
from app.content.liquid import compiled, finished, rendered
from app.content.templates.defaults import DEFAULTS

CARDS = ["Hat\nhttps://s.example/1", "Coat\nhttps://s.example/2", "Boots\nhttps://s.example/3"]


def test_the_text_part_sets_its_items_apart_so_that_no_address_runs_into_the_next_title() -> None:
    for name, template in DEFAULTS.items():
        frame = compiled(template["text"]["frame"], TEXT)
        assert rendered(frame, {"cards": CARDS}) == "\n\n".join(CARDS) + "\n", name
        assert rendered(frame, {"cards": CARDS[:1]}) == CARDS[0] + "\n", name


def test_a_block_that_holds_only_a_line_break_keeps_it_in_text_and_none_in_html() -> None:
    source = "a{% if many %}\n{% endif %}b{% for one in cards %} {% endfor %}c"
    assert rendered(compiled(source, TEXT), {"many": True, "cards": [1, 2]}) == "a\nb  c"
    assert rendered(compiled(source, HTML), {"many": True, "cards": [finished("1", HTML)]}) == "abc"
