"""The open pixel: one picture is one open, a look is none, and no token leaves a gap in a letter."""

import re
from typing import Any
from urllib.parse import urlsplit

import pytest

from app.core.db import Database
from app.data.events.machines import Client, Mark
from app.data.kinds import Signal
from app.serving.render.links import Served
from tests.serving.shop import Shop

PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"


async def pixel(shop: Shop, **params: Any) -> str:
    """Return the path of the open pixel of an HTML answer."""
    answer = await shop.get("/v1/snippets/email-grid", open_pixel="1", **params)
    (address,) = re.findall(r'<img src="([^"]+\.gif)" width="1" height="1"', answer.text)
    return urlsplit(address).path


async def signals(shop: Shop) -> list[tuple[Any, ...]]:
    """Return person, kind, signal, mark and campaign of every signal once the server has written what it holds."""
    await shop.app.state.resources.responses.flush()
    rows = await shop.db.rows(
        "select person_no, kind, signal, mark, client, campaign from event where signal is not null order by event_no"
    )
    return [tuple(row) for row in rows]


async def person_no(db: Database, user_id: str) -> int:
    (row,) = await db.rows("select person_no from person_identity where tenant = 1 and kind = 1 and value = :value", value=user_id)
    return int(row[0])


async def test_a_picture_is_one_open_of_the_person_and_is_never_kept_by_a_proxy(shop: Shop) -> None:
    path = await pixel(shop, user_id="u1", send_id="spring")
    shown = await shop.http.get(path, headers={"User-Agent": PHONE})
    assert (shown.status_code, shown.headers["content-type"], shown.content[:6]) == (200, "image/gif", b"GIF89a")
    assert "no-store" in shown.headers["cache-control"]
    assert await signals(shop) == [(await person_no(shop.db, "u1"), 0, int(Signal.OPEN), None, int(Client.BROWSER), "spring")]


async def test_the_open_belongs_to_the_serve_that_was_answered(shop: Shop) -> None:
    answer = (await shop.get(placement="email-grid", user_id="u1", open_pixel="1")).json()
    await shop.http.get(urlsplit(answer["open_pixel_url"]).path)
    await signals(shop)
    (row,) = await shop.db.rows("select encode(recommendation_id, 'base64'), placement_no from event where signal = 9")
    assert row[0].rstrip("=").replace("+", "-").replace("/", "_") == answer["recommendation_id"]
    assert row[1] == (await shop.db.rows("select placement_no from placement where name = 'email-grid'"))[0][0]


async def test_apples_proxy_is_marked_and_a_look_with_head_is_nothing(shop: Shop) -> None:
    path = await pixel(shop)
    assert (await shop.http.head(path)).status_code == 200
    await shop.http.get(path, headers={"User-Agent": "Mozilla/5.0"})
    assert await signals(shop) == [(0, 0, int(Signal.OPEN), int(Mark.APPLE_MAIL_PRIVACY), int(Client.PREFETCHER), None)]


@pytest.mark.parametrize("token", ["x", "A" * 200, "%00", "%E2%82%AC", "." * 40, "a" * 4000])
async def test_a_token_that_is_not_ours_gets_its_picture_and_counts_nothing(shop: Shop, token: str) -> None:
    answer = await shop.http.get(f"/o/{token}.gif")
    assert (answer.status_code, answer.content[:6]) == (200, b"GIF89a")
    assert await signals(shop) == []


async def test_a_pixel_stands_only_where_it_was_asked_for_and_only_in_html(shop: Shop) -> None:
    assert "/o/" not in (await shop.get("/v1/snippets/email-grid", user_id="u1")).text
    assert "open_pixel_url" not in (await shop.get(placement="email-grid")).json()
    assert "/o/" not in (await shop.get("/v1/snippets/email-grid", format="text", open_pixel="1")).text
    headers = {"X-Api-Key": shop.key}
    assert (await shop.http.put("/v1/admin/placements/email-grid", json={"open_pixel": True}, headers=headers)).status_code == 200
    await shop.settled()
    with_pixel = (await shop.get("/v1/snippets/email-grid", send_id="s")).text
    assert with_pixel.count("/o/") == 1
    without = (await shop.get("/v1/snippets/email-grid", send_id="s", open_pixel="0")).text
    assert "/o/" not in without
    again = (await shop.get("/v1/snippets/email-grid", send_id="s")).text
    assert again.count("/o/") == 1
    assert len(with_pixel) - len(without) < 500


async def test_an_empty_block_stays_empty(shop: Shop) -> None:
    answer = await shop.get("/v1/snippets/email-grid", category="Nothing > Here", empty="blank", open_pixel="1", limit="1", exclude="i1")
    assert answer.status_code == 200
    nothing = await shop.http.put(
        "/v1/admin/placements/nothing",
        json={"recommender": "", "filter": {"brands": ["none"]}, "open_pixel": True},
        headers={"X-Api-Key": shop.key},
    )
    assert nothing.status_code == 200
    await shop.settled()
    assert (await shop.get("/v1/snippets/nothing", empty="blank")).content == b""


async def test_clicks_on_a_letter_within_seconds_are_marked_and_on_a_page_they_are_not(shop: Shop) -> None:
    for campaign, mark in (({"send_id": "spring"}, int(Mark.TOO_SOON_AFTER_SERVE)), ({}, None)):
        answer = (await shop.get(placement="email-grid", user_id="u1", **campaign)).json()
        await shop.http.get(urlsplit(answer["items"][0]["url"]).path, headers={"User-Agent": f"{PHONE} Safari/604.1"})
        assert (await signals(shop))[-1][3] == mark


async def test_a_browser_that_looks_ahead_leads_on_and_is_marked(shop: Shop) -> None:
    answer = (await shop.get(placement="email-grid", user_id="u1")).json()
    path = urlsplit(answer["items"][0]["url"]).path
    assert (await shop.http.get(path, headers={"User-Agent": PHONE, "Sec-Purpose": "prefetch;prerender"})).status_code == 302
    assert [row[3] for row in await signals(shop)] == [int(Mark.BROWSER_PREFETCH)]


async def test_a_link_of_the_first_version_still_leads_on(shop: Shop) -> None:
    """Letters that were sent before an upgrade are opened after it."""
    links = shop.app.state.redirector._links
    snapshot = shop.app.state.server.holder.current[1]
    served = Served(1, 1_700_000_000, 1, bytes(16), 0, "de", (snapshot.catalogue.numbers[0],))
    old = _first_version(links, served)
    assert links.read(old) == served
    assert (await shop.http.get(f"/c/{old}/1")).status_code == 302
    longest = served._replace(campaign="é" * 127)
    assert links.read(links.token(longest)) == longest
    assert links.read(links.token(served._replace(campaign="é" * 128))) == served


def _first_version(links: Any, served: Served) -> str:
    from app.core.ids import short
    from app.serving.render.links import _FRONT, _HEAD, _mac, _numbers

    keys = links._access.link_keys(served.tenant)
    front = _FRONT.pack(1, served.tenant, len(keys.kid.encode())) + keys.kid.encode()
    locale = served.locale.encode()
    head = _HEAD.pack(served.at, served.placement_no, served.recommendation_id, served.person_no, len(locale))
    body = front + head + locale + _numbers(len(served.items)).pack(*served.items)
    return short(body + _mac(keys.secret, body))
