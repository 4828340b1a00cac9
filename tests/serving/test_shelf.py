"""Items prepared for showing: kept, within bounds, and right whatever was dropped meanwhile."""

from pathlib import Path

import pytest

from app.content.liquid import shown
from app.content.templates.defaults import DEFAULTS
from app.content.templates.domain import from_document
from app.serving.render import shelf as items
from tests.serving.test_snapshot import catalogue


def test_fronts_stay_and_values_are_bounded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(items, "_MOST_WHOLE", 10)
    found = catalogue(60, tmp_path)
    shelf = items.shelf(found, "", 0.0)
    first = [shelf.item(index).json for index in range(60)]
    assert shelf.fronts == first
    assert len(shelf._items) <= 10
    assert shelf.prepared == 60
    assert [shelf.item(index).json for index in range(60)] == first
    assert shelf.prepared == 60, "an item is counted once"


def test_cards_are_bounded_and_rendered_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items, "_MOST_CARDS", 20)
    found = catalogue(60)
    part = from_document("grid", 1, DEFAULTS["grid"]).parts["html"]
    shelf = items.shelf(found, "", 0.0)
    cards = shelf.cards(("grid", 1, "html"))
    for _ in range(2):
        for index in range(60):
            if cards[index] is None:
                cards[index] = part.card_with_holes(shown(shelf.item(index).values, part.form), "")
            assert f"Item {index + 1}<".encode() in b"".join(cards[index].parts)
        assert sum(card is not None for card in cards) <= 20
    assert shelf.cards(("grid", 1, "html")) is cards


def test_a_locale_begins_anew_when_others_hold_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items, "_MOST_FRONTS", 30)
    found = catalogue(60)
    first = items.shelf(found, "", 0.0)
    for index in range(40):
        first.item(index)
    assert items.shelf(found, "", 0.0) is first, "one locale alone is never dropped for its own size"
    items.shelf(found, "de", 0.0)
    assert list(found.shelves) == ["de"]
