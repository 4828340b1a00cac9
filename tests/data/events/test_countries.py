"""Which countries are read, however they are written, and what becomes of those that there are not."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.data.events.formats import countries
from app.data.events.formats.countries import country_code
from app.data.events.formats.segment_api import Arrival, read

HOW = Arrival(datetime(2026, 5, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("GB", "GB"), ("gb", "GB"), ("UK", "GB"), ("GBR", "GB"), ("826", "GB"), ("United Kingdom", "GB"), ("England", "GB"), ("EIRE", "IE"),
        ("USA", "US"), ("U.S.A.", "US"), ("united states of america", "US"), ("Deutschland", "DE"), ("España", "ES"), ("Espana", "ES"),
        ("Czech Republic", "CZ"), ("Czechia", "CZ"), ("Côte d'Ivoire", "CI"), ("Trinidad and Tobago", "TT"), ("Trinidad & Tobago", "TT"),
        ("Türkiye", "TR"), ("Turkey", "TR"), ("EL", "GR"), ("XK", "XK"), ("日本", "JP"), ("Netherlands", "NL"),
    ],
)  # fmt: skip
def test_a_country_is_known_by_code_and_by_name(text: str, code: str) -> None:
    assert country_code(text) == code


@pytest.mark.parametrize("text", ["", " ", "Atlantis", "ZZ", "EU", "AA", "Unspecified", "European Community", "c17", "\0", "x" * 61, "SU"])
def test_what_is_no_country_is_read_as_none(text: str) -> None:
    assert country_code(text) is None


def test_there_are_as_many_countries_as_iso_3166_has_and_kosovo() -> None:
    assert len(set(countries._SPELLINGS.values())) == 250


def message(*, country: Any, traits: dict[str, Any] | None = None) -> dict[str, Any]:
    found = {"type": "identify", "userId": "ann", "messageId": "m", "context": {"location": {"country": country}}}
    return found | ({"traits": traits} if traits else {})


def test_a_made_up_country_is_left_out_and_told() -> None:
    (event,) = read(message(country="Atlantis"), HOW)
    assert (event.country, [flaw.what for flaw in event.flaws]) == (None, ["country"])
    assert "ISO 3166" in event.flaws[0].text


def test_the_next_place_counts_where_the_first_names_no_country() -> None:
    (event,) = read(message(country=" France ", traits={"country": "Unspecified"}), HOW)
    assert (event.country, event.flaws) == ("FR", ())


@pytest.mark.parametrize("nothing", [None, "", "  ", 7, [], {}])
def test_no_country_is_no_flaw(nothing: Any) -> None:
    (event,) = read(message(country=nothing), HOW)
    assert (event.country, event.flaws) == (None, ())
