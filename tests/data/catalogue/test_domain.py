"""Items as documents: prices, texts, what is refused."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.data.catalogue.domain import ItemRefused, read_item
from app.data.catalogue.values.availability import available
from app.data.catalogue.values.money import parse_money
from app.data.catalogue.values.pricing import price_at
from app.data.catalogue.values.texts import text_at

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def read(**document: Any) -> Any:
    return read_item({"id": "a", **document}, max_bytes=65_536)


@pytest.mark.parametrize(
    ("value", "amount", "currency"),
    [
        ("19.90 GBP", "19.90", "GBP"),
        ("GBP 19.90", "19.90", "GBP"),
        ("19.90gbp", "19.90", "GBP"),
        ("19,90 EUR", "19.90", "EUR"),
        ("€ 1.299,00", "1299.00", "EUR"),
        ("£5", "5", "GBP"),
        ("1,299.00 USD", "1299.00", "USD"),
        ("0", "0", ""),
        (19.9, "19.9", ""),
        (5, "5", ""),
        ("1'299.50 CHF", "1299.50", "CHF"),
    ],
)
def test_money_is_read_in_the_usual_spellings(value: Any, amount: str, currency: str) -> None:
    assert parse_money(value) == (Decimal(amount), currency)


@pytest.mark.parametrize(
    "value", ["free", "", "-1 GBP", "1e5", "NaN", "Infinity", float("nan"), float("inf"), True, [], {}, "1.2.3.4", 10**13, "19.90 POUNDS"]
)
def test_what_is_no_price_is_refused(value: Any) -> None:
    with pytest.raises(ItemRefused):
        parse_money(value)


def test_a_sale_price_holds_within_its_dates() -> None:
    document = {"price": "20 GBP", "sale_price": "15 GBP", "sale_price_effective_date": "2026-05-01T00:00+0000/2026-05-02T00:00+0000"}
    assert price_at(document, NOW) == (Decimal(15), "GBP")
    assert price_at(document, datetime(2026, 5, 3, tzinfo=UTC)) == (Decimal(20), "GBP")
    assert price_at(document, datetime(2026, 4, 30, tzinfo=UTC)) == (Decimal(20), "GBP")
    del document["sale_price_effective_date"]
    assert price_at(document, datetime(2030, 1, 1, tzinfo=UTC)) == (Decimal(15), "GBP")


def test_a_locale_has_its_own_price_and_texts_and_falls_back() -> None:
    document = {
        "title": "Hat",
        "price": "20 GBP",
        "sale_price": "15 GBP",
        "locales": {"de": {"title": "Hut", "price": "25 EUR"}, "fr-CH": {"title": "Chapeau"}},
    }
    assert price_at(document, NOW, "de-AT") == (Decimal(25), "EUR")
    assert price_at(document, NOW, "fr_CH") == (Decimal(15), "GBP")
    assert [text_at(document, "title", locale) for locale in ("", "de", "DE_at", "fr-CH", "fr", "xx")] == [
        "Hat",
        "Hut",
        "Hut",
        "Chapeau",
        "Hat",
        "Hat",
    ]
    assert text_at(document, "brand", "de") == ""


def test_a_document_without_a_price_has_none() -> None:
    assert price_at({}, NOW) == (None, "")
    assert price_at({"price": "rubbish"}, NOW) == (None, "")


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"id": ""}, "id is missing"),
        ({"id": None}, "id is missing"),
        ({"id": ["a"]}, "id must be a text"),
        ({"id": "x" * 201}, "longer"),
        ({"id": "a\nb"}, "control"),
        ({"id": "a\0"}, "NUL"),
        ({"id": "a", "title": "x\0y"}, "NUL"),
        ({"id": "a", "title": {"a": 1}}, "title must be a text"),
        ({"id": "a", "title": "\ud800"}, "UTF-8"),
        ({"id": "a", "price": "cheap"}, "price: a price"),
        ({"id": "a", "currency": "POUND"}, "currency"),
        ({"id": "a", "availability": "maybe"}, "availability"),
        ({"id": "a", "kind": "A B"}, "kind"),
        ({"id": "a", "kind": 5}, "kind"),
        ({"id": "a", "locales": []}, "locales"),
        ({"id": "a", "locales": {"de": "Hut"}}, "locales"),
        ({"id": "a", "locales": {"de": {"price": "x"}}}, "locales.de"),
        ({"id": "a", "blob": "x" * 70_000}, "larger"),
        ({"id": "a", "n": 10**30}, "JSON cannot hold"),
    ],
)
def test_a_document_that_is_no_item_says_why(document: dict[str, Any], reason: str) -> None:
    with pytest.raises(ItemRefused, match=reason):
        read_item(document, max_bytes=65_536)


def test_deep_documents_are_refused_and_generous_texts_taken() -> None:
    deep: Any = 1
    for _ in range(30):
        deep = {"a": deep}
    with pytest.raises(ItemRefused, match="deeper"):
        read(deep=deep)
    assert read(title="ü" * 300).title == "ü" * 300
    assert read(title="100%% cotton {{x}} <script>").title == "100%% cotton {{x}} <script>"


def test_columns_come_from_the_usual_fields() -> None:
    item = read(product_type=["Home > Lights", "Other"], brand="B", price=5, currency="gbp", item_group_id="g", availability="in stock")
    assert (item.category, item.brand, item.price, item.currency, item.group_id, item.available) == (
        "Home > Lights",
        "B",
        5,
        "GBP",
        "g",
        True,
    )
    assert read().group_id == "a"
    assert read().kind == "product"


def test_availability_is_read_in_googles_and_schema_orgs_words() -> None:
    assert [available(word) for word in (None, "in_stock", "https://schema.org/InStock", "preorder")] == [True] * 4
    assert [available(word) for word in ("out of stock", "OutOfStock", "sold out", False)] == [False] * 4


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
_fields = st.sampled_from(
    ["id", "title", "price", "sale_price", "locales", "availability", "sale_price_effective_date", "kind", "category", "currency"]
)


@given(st.dictionaries(_fields, _json))
def test_any_json_is_an_item_or_refused_and_an_item_can_be_priced(document: dict[str, Any]) -> None:
    try:
        read_item(document, max_bytes=10_000)
    except ItemRefused:
        return
    price_at(document, NOW, "de")
    text_at(document, "title", "de")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("availabilty", "availability"), ("prize", "price"), ("titel", "title"), ("prices", "price"), ("sale_prise", "sale_price"),
        ("links", "link"), ("colour", ""), ("availability_date", ""), ("mobile_link", ""), ("size", ""), ("x" * 60, ""), ("like", ""),
    ],
)  # fmt: skip
def test_a_field_that_is_misspelt_by_a_letter_is_told_since_an_item_sold_out_would_be_shown(name: str, meant: str) -> None:
    told = f"{name}: is no field; is {meant} meant?"
    assert (told in read(**{name: "out_of_stock"}).notes) == bool(meant)
    if meant:
        whole = {"availability": "in_stock", "price": "5 EUR", "sale_price": "3 EUR", "title": "Hat", "link": "https://s.example/a"}
        assert told not in read(**{name: "x", **whole}).notes, "the field itself is there, so the other is one of the shop's own"
