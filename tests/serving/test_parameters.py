"""A parameter of answers is one entry of a table: readers, the OpenAPI document and the digest of pins come from it."""

import pytest

from app.serving.edge.schemas import Asked
from app.serving.model import reading
from app.serving.model.call import Call
from app.serving.model.parameters import PARAMETERS, Parameter
from app.serving.model.pin_codec import pin_digest
from tests.serving.shop import Shop
from tests.serving.test_parity import documented, over_the_wire, plain

SEASON = Parameter("season", "A season.", reading.plain, pins=lambda call: call.season)  # type: ignore[attr-defined]


def a_call() -> Call:
    call = Call(1, "email-grid")
    call.key, call.send_id, call.campaign, call.limit, call.category = b"k" * 16, "s1", "c", 6, "Hats"
    call.items, call.exclude = ("i2", "i1"), frozenset({"b", "a"})
    return call


async def test_an_added_parameter_is_read_on_all_ways_and_pins_what_it_chooses(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    headers, target = {"x-api-key": shop.key}, "/v1/recommendations?placement=email-grid&user_id=u1&season=winter"
    told = (await shop.get(placement="email-grid", season="winter")).json()["warnings"]
    assert told == ["season: is no parameter and was not read"]
    monkeypatch.setitem(PARAMETERS, SEASON.name, SEASON)
    expected = plain(await documented(shop, target, headers))
    reply, short = await over_the_wire(shop, target, headers)
    assert short
    assert plain(reply) == expected
    assert b'"warnings":[]' in reply[2]
    assert (await shop.get(placement="email-grid", season="w" * 600)).json()["warnings"] == ["season: longer than 512 characters"]
    assert Asked.model_json_schema()["properties"]["season"]["description"] == "A season."
    winter, summer = a_call(), a_call()
    winter.season, summer.season = "winter", "summer"  # type: ignore[attr-defined]
    assert pin_digest(winter) != pin_digest(summer)


def test_a_digest_stays_what_it_was_or_the_pins_of_mailings_on_their_way_are_lost() -> None:
    assert pin_digest(a_call()).hex() == "7d10a73a963c9cd861be81f2d7d0da"


async def test_the_documents_tell_of_the_parameters_that_are_read(shop: Shop) -> None:
    document = shop.app.openapi()
    for path in ("/v1/recommendations", "/v1/snippets/{placement}"):
        told = {one["name"]: one.get("description") for one in document["paths"][path]["get"]["parameters"]}
        assert set(told) == set(PARAMETERS)
        assert [name for name, one in PARAMETERS.items() if name != "placement" and told[name] != one.told] == []
    assert set(document["components"]["schemas"]["Asked"]["properties"]) == set(PARAMETERS) - {"key"}
