"""Availability, sales, dates and texts of items: what an unknown word, a false sale or an escaped text becomes."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from app.data.catalogue.domain import ItemRefused, read_item
from app.data.catalogue.values.availability import available
from app.data.catalogue.values.pricing import price_at
from app.data.catalogue.values.texts import address_at, text_at

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def read(**document: Any) -> Any:
    return read_item({"id": "a", "title": "Cup", **document}, max_bytes=65_536)


@pytest.mark.parametrize(
    "word",
    [
        1, 5, 3.0, True, "1", "12", "12.0000", "+3", "in_stock", "in stock", "In Stock", "InStock", "http://schema.org/InStock",
        "https://schema.org/InStock/", "schema:InStock", "available for order", "InStoreOnly", "https://schema.org/PreSale", "MadeToOrder",
        "OnlineOnly", "onbackorder", "BackOrder", "preorder", "yes", "TRUE", "", None,
    ],
)  # fmt: skip
def test_words_counts_and_truth_values_that_mean_in_stock(word: Any) -> None:
    assert available(word)


@pytest.mark.parametrize(
    "word",
    [
        0, 0.0, -3, False, "0", "0.0000", "-3", "out_of_stock", "Out of Stock", "http://schema.org/OutOfStock/", "https://schema.org/SoldOut",
        "Discontinued", "Reserved", "outofstock", "no", "false", "disabled",
    ],
)  # fmt: skip
def test_words_counts_and_truth_values_that_mean_out_of_stock(word: Any) -> None:
    assert not available(word)


@pytest.mark.parametrize("word", ["?", "-", "maybe", "n/a", "https://schema.org/", [], {}, "x" * 500, "12 pieces"])
def test_an_unknown_word_is_refused_and_never_in_stock(word: Any) -> None:
    with pytest.raises(ItemRefused, match="availability must be"):
        available(word)


@pytest.mark.parametrize(
    ("sale", "reason"),
    [
        ("49.90 EUR", "not lower"),
        ("29.90 EUR", "not lower"),
        ("0.00 EUR", "it is 0"),
        ("0", "it is 0"),
        (0, "it is 0"),
        ("19.90 USD", "another currency"),
        ("N/A", "must be a number"),
        (-1, "must be 0 or more"),
    ],
)
def test_a_sale_that_cannot_be_one_is_left_out_and_told(sale: Any, reason: str) -> None:
    item = read(price="29.90 EUR", sale_price=sale)
    assert (item.price, item.sale_price) == (Decimal("29.90"), None)
    assert [reason in note and note.startswith("sale_price was left out") for note in item.notes] == [True]
    assert price_at({"price": "29.90 EUR", "sale_price": sale}, NOW) == (Decimal("29.90"), "EUR")


@pytest.mark.parametrize("dates", ["soon", "2024-01-01T00:00+0100/", "2026-02-01/2026-01-01", "2026-01-01", "/", 5])
def test_a_sale_with_dates_that_are_none_is_left_out_and_told(dates: Any) -> None:
    item = read(price="29.90 EUR", sale_price="19.90 EUR", sale_price_effective_date=dates)
    assert item.sale_price is None
    assert "sale_price_effective_date" in item.notes[0]
    assert price_at({"price": "29.90 EUR", "sale_price": "19.90", "sale_price_effective_date": dates}, NOW)[0] == Decimal("29.90")


def test_a_sale_without_a_price_beside_it_is_told() -> None:
    assert read(sale_price="5 EUR").notes == ("sale_price was left out: there is no price beside it",)


def test_a_sale_whose_dates_are_days_holds_to_the_end_of_the_last() -> None:
    document = {"price": "20 EUR", "sale_price": "15", "sale_price_effective_date": "2026-05-01/2026-05-02"}
    assert price_at(document, datetime(2026, 5, 2, 23, 59, tzinfo=UTC))[0] == 15
    assert price_at(document, datetime(2026, 5, 3, 0, 0, tzinfo=UTC))[0] == 20


def test_an_expiry_is_read_and_one_that_is_no_date_is_told() -> None:
    assert read(expiration_date="2026-05-01").expires_at == datetime(2026, 5, 1, 23, 59, 59, 999_999, tzinfo=UTC)
    assert read(expiration_date="2026-05-01T10:00+0200").expires_at == datetime(2026, 5, 1, 8, tzinfo=UTC)
    assert read(expiration_date="someday").notes == (
        "expiration_date was left out: it must be an ISO 8601 date such as 2026-11-27T00:00+0100",
    )


def test_texts_are_decoded_to_the_end_and_addresses_keep_their_parameters() -> None:
    item = read(title="Tom &amp;amp; Jerry&amp;#039;s cup", product_type="Home &amp;gt; Cups", brand="B&amp;O")
    assert (item.title, item.category, item.brand) == ("Tom & Jerry's cup", "Home > Cups", "B&O")
    document = {"title": "5 &lt; 6 &amp; AT&T &unknown;", "link": "https://s.example/?a=1&amp;copy=2&reg;=3"}
    assert text_at(document, "title") == "5 < 6 & AT&T &unknown;"
    assert address_at(document, "link") == "https://s.example/?a=1&copy=2&reg;=3"


def test_what_lands_and_will_not_show_is_told() -> None:
    for link in ("/p/1", "//shop.example/p/1", "shop.example/p/1"):
        assert read(link=link).notes == ("link is no whole address (https://...): it is shown without",)
    assert read(image_link="/medias/1.jpg").notes == ("image_link is no whole address (https://...): it is shown without",)
    assert read(title="").notes == ("title is missing: it is shown without one",)
    for mangled in ("1.23E+11", '="0042"', "4,01E+12"):
        assert "spreadsheet" in read(id=mangled).notes[0]
    assert read(id="00123").item_id == "00123"
    assert read(id="00123").notes == ()


@pytest.mark.parametrize("described", ["x" * 60_000, "ü" * 1_000_000, '"' * 100_000, "\x01" * 90_000, "🎩" * 40_000])
def test_a_description_that_is_too_long_is_cut_and_the_item_lands(described: str) -> None:
    item = read(description=described)
    assert item.notes == ("description was cut: it is too long",)
    assert 10_000 < len(item.document) <= 65_536
