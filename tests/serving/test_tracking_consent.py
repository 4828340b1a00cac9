"""Whoever wants no tracking gets the same block with direct links and no open pixel, and no click or open is kept under them."""

import dataclasses
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from app.access import service as access
from app.access.domain import ClientKind, KeyKind, Scope
from app.access.schemas import NewClient, NewKey
from app.core.db import Database
from app.core.settings import Settings
from app.data.catalogue.service import put_items
from app.data.identity.purposes import Defaults
from app.data.profiles.state_codec import empty_state, pack_state, unpack_state, view_state
from app.serving.edge.protocol import _Head
from app.serving.path.people_db import PeopleDatabase
from app.serving.path.tracked import Tracked
from tests.serving.shop import Shop, document, running, stock

PHONE = {"User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Mobile Safari/604.1"}


async def said(shop: Shop, user: str, **purposes: bool) -> None:
    """Say something of purposes, and wait until answers follow it."""
    answer = await shop.http.put(f"/v1/admin/people/{user}/consent", json=purposes, headers={"X-Api-Key": shop.key})
    assert answer.json()["applied"] is True, answer.text


async def block(shop: Shop, user: str, form: str = "json", **more: str) -> str:
    """Return the bytes of an answer as a text, in a placement that gives everybody the same items."""
    answer = await shop.get(placement="home-popular", user_id=user, open_pixel="1", format=form, **more)
    assert answer.status_code == 200
    return answer.text


def bare(text: str, user: str) -> str:
    """Return an answer without links, pixel, and what differs between any two answers."""
    text = re.sub(r'<img src="[^"]*/o/[^"]*"[^>]*>|"open_pixel_url":"[^"]*",', "", text)
    text = re.sub(r'https?://[^"\s]*?/c/[^"\s]*', "LINK", text)
    text = re.sub(r"https://shop(?:\.|&#46;)example/i\d+(?!\d|\.png)", "LINK", text)
    return re.sub(r'"(?:recommendation_id|generated_at)":"[^"]*"', "", text).replace(f'"user_id":"{user}"', "")


async def events(shop: Shop) -> list[tuple[Any, ...]]:
    await shop.app.state.resources.responses.flush()
    rows = await shop.db.rows("select person_no, signal, campaign, recommendation_id, payload from event where signal is not null")
    return [tuple(row) for row in rows]


async def test_the_block_of_a_refuser_differs_in_links_and_pixel_only(shop: Shop) -> None:
    await said(shop, "u1", tracking=False)
    await said(shop, "u2", tracking=True)
    for form in ("json", "html", "text"):
        refused, wanted = await block(shop, "u1", form), await block(shop, "u2", form)
        assert "/c/" not in refused
        assert "/o/" not in refused
        assert "open_pixel" not in refused
        assert "/c/" in wanted
        assert ("/o/" in wanted) is (form != "text")
        assert refused.count("https://shop.example/i") > wanted.count("https://shop.example/i"), "the items' own pages"
        assert bare(refused, "u1") == bare(wanted, "u2"), form
    told = (await shop.get(placement="home-popular", user_id="u1", explain="1")).json()
    assert told["explain"]["tracked"] is False
    assert told["items"][0]["url"] == f"https://shop.example/{told['items'][0]['item_id']}"


async def test_pins_and_finished_answers_of_one_kind_are_not_given_as_the_other(shop: Shop) -> None:
    asked = {"send_id": "spring"}
    first = [await block(shop, "u1", **asked) for _ in range(3)]
    await said(shop, "u1", tracking=False)
    second = [await block(shop, "u1", **asked) for _ in range(3)]
    await said(shop, "u1", personalisation=False)
    third = [await block(shop, "u1", **asked) for _ in range(3)]
    await said(shop, "u1", tracking=True)
    fourth = [await block(shop, "u1", **asked) for _ in range(3)]
    assert all("/c/" in text for text in first)
    for text in (*second, *third):
        assert "/c/" not in text
        assert '"url":"https://shop.example/i' in text
    assert all("/c/" in text for text in fourth)
    before, after = ({re.findall(r'"recommendation_id":"([^"]+)"', text)[0] for text in texts} for texts in (first, second))
    assert before & after, "the pin is the same"


async def test_a_click_and_an_open_of_a_letter_of_before_are_nobodys(shop: Shop) -> None:
    answer = (await shop.get(placement="email-grid", user_id="u1", open_pixel="1", send_id="spring")).json()
    await said(shop, "u1", tracking=False)
    click, pixel = urlsplit(answer["items"][0]["url"]).path, urlsplit(answer["open_pixel_url"]).path
    assert (await shop.http.get(click, headers=PHONE)).status_code == 302
    await shop.http.get(pixel, headers=PHONE)
    found = await events(shop)
    assert sorted(row[1] for row in found) == [9, 10]
    assert {(row[0], row[2], row[3]) for row in found} == {(0, "spring", None)}, "they count in sums, under nobody"


async def test_clicks_and_opens_that_others_tell_of_a_refuser_are_nobodys(shop: Shop) -> None:
    await said(shop, "u1", tracking=False)
    for user in ("u1", "u2"):
        for name in ("Email Opened", "Email Link Clicked", "Email Delivered"):
            message = {"userId": user, "event": name, "properties": {"campaign_id": "spring"}}
            answer = await shop.http.post("/v1/track", json=message, headers={"X-Api-Key": shop.key})
            assert answer.json()["accepted"] == 1
    rows = await shop.db.rows(
        "select coalesce(i.value, ''), array_agg(e.signal order by e.signal), count(e.payload) from event e "
        "left join person_identity i on i.person_no = e.person_no where e.signal is not null group by 1 order by 1"
    )
    assert [tuple(row) for row in rows] == [("", [9, 10], 0), ("u1", [2], 1), ("u2", [2, 9, 10], 3)]


async def test_while_redis_is_not_believed_the_refusal_holds_too(shop: Shop, db: Database) -> None:
    await said(shop, "u1", tracking=False)
    people = PeopleDatabase(shop.db, 1000)
    (row,) = await db.rows("select key from person_identity where value = 'u1'")
    found = await people.state(1, bytes(row[0]))
    assert (found.consent, found.tracking) == (None, False)


@pytest.fixture
async def careful(settings: Settings, db: Database) -> AsyncIterator[Shop]:
    """A shop where people in Britain are not tracked unless they said yes."""
    settings = settings.model_copy(update={"consent_defaults": {"GB": {"tracking": False}}})
    await stock(db, settings, models=False)
    async with running(settings, db) as made:

        async def known() -> bool:
            answer = (await made.get(placement="home-popular", user_id="u1", explain="1")).json()
            return answer["explain"]["person"] == "known" and answer["explain"]["redis_trusted"]

        assert await made.until(known)
        yield made


async def test_the_default_of_the_country_holds_where_nobody_said_anything(careful: Shop) -> None:
    assert "/c/" not in await block(careful, "u1")
    assert "/c/" in await block(careful, "a stranger")
    await said(careful, "u2", tracking=True)
    assert "/c/" in await block(careful, "u2")
    await said(careful, "u1", personalisation=False)
    assert "/c/" not in await block(careful, "u1"), "whose country is not kept is not tracked where any country says no"
    message = {"userId": "u3", "event": "Email Opened"}
    await careful.http.post("/v1/track", json=message, headers={"X-Api-Key": careful.key})
    assert (await careful.db.rows("select person_no from event where signal = 9"))[0][0] == 0


async def test_addresses_of_items_stay_whole_and_harmless_in_every_format(shop: Shop) -> None:
    strange = document(500) | {"id": "strange", "link": 'https://shop.example/a?b=1&c="x"&d=%%y{{z}}', "price": "1 GBP"}
    bare_item = document(501) | {"id": "bare"}
    del bare_item["link"]
    await put_items(shop.db, shop.settings, 1, [strange, bare_item])
    await shop.settled()
    await said(shop, "u1", tracking=False)
    address = "https://shop.example/a?b=1&c=%22x%22&d=%25%25y%7B%7Bz%7D%7D"
    snapshot = shop.app.state.resources.holder.current[1]
    from app.content.formats import FORMATS
    from app.serving.render import shelf
    from app.serving.render.templated import _direct

    catalogue = snapshot.catalogue
    item = shelf.show(catalogue, catalogue.index_of["strange"], "", 0.0)
    assert item.target == address
    assert _direct(item.target, FORMATS["text"]) == address.encode()
    assert b"&amp;c=" in _direct(item.target, FORMATS["html"])
    assert b'"' not in _direct(item.target, FORMATS["html"])
    assert _direct(shelf.show(catalogue, catalogue.index_of["bare"], "", 0.0).target, FORMATS["html"]) == b"#"


@pytest.mark.parametrize("tracking", [None, True, False])
@pytest.mark.parametrize("consent", [None, True, False])
def test_a_state_keeps_what_was_said_of_tracking_beside_consent(tracking: bool | None, consent: bool | None) -> None:
    packed = pack_state(empty_state(1, 2, consent, "DE", tracking=tracking))
    view, state = view_state(packed), unpack_state(packed)
    assert view is not None
    assert state is not None
    assert (view.consent, view.tracking, view.country) == (consent, tracking, "DE")
    assert (state.consent, state.tracking) == (consent, tracking)
    of_before = bytes((packed[0], packed[1] & 15)) + packed[2:]
    assert (found := view_state(of_before)) is not None
    assert found.tracking is None, "states of before said nothing"


def test_defaults_of_no_country_cost_no_look_at_the_country() -> None:
    assert Tracked(Defaults()).by_country is False
    assert Tracked(dataclasses.replace(Defaults(), countries={"DE": Defaults().anywhere})).by_country is False


async def test_a_browser_that_signals_gpc_is_not_tracked_unless_the_person_said_yes(shop: Shop) -> None:
    made = NewClient(name="site", kind=ClientKind.WEBSITE, scopes=[Scope.RECOMMEND, Scope.EVENTS], origins=["https://shop.example"])
    client = await access.create_client(shop.db, shop.settings, 1, made)
    key = (await access.create_key(shop.db, 1, client.client_id, NewKey(kind=KeyKind.WEBSITE, origins=["https://shop.example"]))).key
    await shop.app.state.access.refresh()

    async def links(**headers: str) -> bool:
        more = {"X-Api-Key": key, "Origin": "https://shop.example", **headers}
        answer = await shop.http.get("/v1/recommendations", params={"placement": "home-popular", "anonymous_id": "a1"}, headers=more)
        assert answer.status_code == 200, answer.text
        return "/c/" in answer.text

    assert await links()
    assert not await links(**{"Sec-GPC": "1"})
    plain = await shop.http.get(
        "/v1/recommendations", params={"placement": "home-popular"}, headers={"X-Api-Key": shop.key, "Sec-GPC": "1"}
    )
    assert "/c/" in plain.text, "a server's own requests bear no person's signal"
    context = {"consent": {"categoryPreferences": {"tracking": True}}}
    await shop.http.post("/v1/track", json={"anonymousId": "a1", "event": "x", "context": context}, headers={"X-Api-Key": shop.key})

    async def followed() -> bool:
        return await links(**{"Sec-GPC": "1"})

    assert await shop.until(followed)


async def test_the_short_way_reads_the_signal_once_a_head() -> None:
    assert _Head([(b"sec-gpc", b"1")]).gpc
    assert not _Head([(b"sec-gpc", b"0"), (b"x", b"1")]).gpc
