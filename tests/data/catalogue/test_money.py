"""Money as shops write it: every spelling is read, refused with what to do, or told as one that may be two."""

import time
from decimal import Decimal
from typing import Any

import pytest
from babel import Locale
from babel.core import get_global
from babel.numbers import format_currency
from hypothesis import given, settings
from hypothesis import strategies as st

from app.data.catalogue.domain import read_item, side
from app.data.catalogue.values import currencies
from app.data.catalogue.values.faults import ItemRefused
from app.data.catalogue.values.money import parse_money, read_money


@pytest.mark.parametrize(
    ("text", "amount", "currency"),
    [
        ("19,9 EUR", "19.9", "EUR"),
        ("0,5 EUR", "0.5", "EUR"),
        ("2,4 €", "2.4", "EUR"),
        ("19,1€", "19.1", "EUR"),
        ("US$ 5.00", "5", "USD"),
        ("$19.99 USD", "19.99", "USD"),
        ("AUD $19.99", "19.99", "AUD"),
        ("R$ 129,90", "129.90", "BRL"),
        ("29,99 zł", "29.99", "PLN"),
        ("129,- EUR", "129", "EUR"),
        ("129.— CHF", "129", "CHF"),
        ("1.250.000 VND", "1250000", "VND"),
        ("1\u202f299,00 €", "1299", "EUR"),
        ("1\u00a0299,00 €", "1299", "EUR"),
        ("1.234,56 EUR", "1234.56", "EUR"),
        ("1,234.56", "1234.56", ""),
        ("CHF 1'299.00", "1299", "CHF"),
        ("CHF 1’299.00", "1299", "CHF"),
        ("10.00£", "10", "GBP"),
        ("₹1,29,900.00", "129900", "INR"),
        ("EUR 10", "10", "EUR"),
        (".99 USD", "0.99", "USD"),
        ("1 299 000,00 руб.", "1299000", "RUB"),
        ("12 345,67 Kč", "12345.67", "CZK"),
        ("٢٥٫٩٠ ر.س", "25.90", "SAR"),
        ("1,250,000,000 VND", "1250000000", "VND"),
    ],
)
def test_money_is_read_as_shops_of_every_country_write_it(text: str, amount: str, currency: str) -> None:
    assert parse_money(text) == (Decimal(amount), currency)


@pytest.mark.parametrize("text", ["1.299 EUR", "19,999 EUR", "1,299", "12.495"])
def test_a_mark_that_can_stand_before_cents_or_thousands_is_told_and_not_guessed(text: str) -> None:
    with pytest.raises(ItemRefused, match=r"write 1299.00 or 1.30"):
        parse_money(text)


@pytest.mark.parametrize(
    ("text", "decimal", "amount"),
    [
        ("1,299 USD", "", "1299"),  # nobody who pays in dollars writes a comma before cents
        ("1.299 JPY", "", "1299"),  # there are no cents of a yen
        ("1.299 KWD", "", "1.299"),  # a dinar has a thousand fils
        ("0,500 EUR", "", "0.5"),
        ("1.299 EUR", ",", "1299"),
        ("1.299 EUR", ".", "1.299"),
        ("19,999 EUR", ",", "19.999"),
    ],
)
def test_the_currency_or_the_option_can_say_what_a_mark_means(text: str, decimal: str, amount: str) -> None:
    assert read_money(text, decimal=decimal).amount == Decimal(amount)


def test_a_sign_of_several_currencies_takes_the_one_beside_it_or_none() -> None:
    assert read_money("$1,299.00", "USD") == (Decimal(1299), "USD", "")
    assert read_money("$1,299.00", "cad") == (Decimal(1299), "CAD", "")
    assert read_money("$1,299.00") == (Decimal(1299), "", "$")
    assert read_money("$5", "EUR") == (Decimal(5), "", "$")
    assert read_money("129 kr.", "NOK").currency == "NOK"
    assert read_money("Rs.500", "INR") == (Decimal(500), "INR", "")
    assert read_money("¥1,500.00", "JPY").currency == "JPY"
    (note,) = read_item({"id": "a", "title": "t", "price": "$5"}, max_bytes=1000).notes
    assert "several currencies" in note


@pytest.mark.parametrize(
    "text", ["5 PCS", "€19.90 USD", "-5 EUR", "1,2,3 EUR", "12 34 EUR", "19.90 USD EUR", "EUR", "10 - 20 EUR", "9e999999999", "1" * 61]
)
def test_what_is_no_money_is_refused(text: str) -> None:
    with pytest.raises(ItemRefused):
        parse_money(text)


@pytest.mark.parametrize(
    "value", ["9e999999999", "1e300000", "1" * 4_000, Decimal("9e999999999"), 10**4000, 1e308, "-9e999999999", "9" * 20]
)
def test_numbers_without_bound_are_refused_at_once(value: Any) -> None:
    began = time.monotonic()
    assert side(value) is None
    with pytest.raises(ItemRefused):
        parse_money(value)
    item = read_item(
        {"id": "a", "title": "t", "image_width": str(value)[:200] if not isinstance(value, int) else "9" * 20}, max_bytes=65_536
    )
    assert any("image_width was left out" in note for note in item.notes)
    assert time.monotonic() - began < 0.5


def test_sizes_of_pictures_are_whole_pixels_within_bounds() -> None:
    assert [side(value) for value in (600, "600", "600px", 600.0, "600.4", 10_000)] == [600, 600, 600, 600, 600, 10_000]
    assert [side(value) for value in (0, -1, 10_001, True, None, "", "wide", "1e3", [], float("nan"), float("inf"))] == [None] * 11


_LOCALES = "en de fr fr_CH de_CH de_AT es it pt_BR nl pl cs hu sv nb da fi ru uk tr ja zh ko hi en_IN th id vi he el ro bg hr et lv lt"


@settings(max_examples=400)
@given(
    st.decimals(min_value=0, max_value=9_999_999, places=2),
    st.sampled_from(_LOCALES.split()),
    st.sampled_from(["EUR", "USD", "GBP", "PLN", "BRL", "INR", "CHF", "SEK", "CZK"]),
)
def test_what_icu_writes_for_a_locale_is_read_back(amount: Decimal, locale: str, currency: str) -> None:
    text = format_currency(amount, currency, locale=locale)
    assert parse_money(text, currency) == (amount, currency), text


def test_every_sign_of_cldr_is_known_for_a_currency_in_use() -> None:
    wanted = {name for names in get_global("territory_currencies").values() for name, _, end, tender in names if tender and end is None}
    for name in _LOCALES.split():
        for code, symbol in Locale.parse(name).currency_symbols.items():
            if code in wanted and symbol != code:
                assert code in currencies.signified(currencies.sign(symbol)), (name, code, symbol)
