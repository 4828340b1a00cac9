"""Links tell nothing to whoever reads them: neither who they were made for, nor which mailing, nor that two are one person's."""

import hashlib
import itertools
import os
import time
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from app.core.db import Database
from app.core.ids import short, unshort
from app.core.settings import Settings
from app.data.events.domain import About, Event, message_key
from app.data.identity.vault import DataKeys
from app.data.kinds import Kind, Signal
from app.serving.clickback.queue import response
from app.serving.model.call import Call
from app.serving.path.repeats import _form
from app.serving.record.writers import write_responses
from app.serving.render.links import _FRONT, _HEAD, _SIGNED, _UNNAMED, BadLink, Links, Served
from app.serving.render.writer import served
from tests.serving.shop import Shop, add_events, running, stock

SECRET, KID = bytes(range(32)), "l0123456789abcdefabcd"
ADDRESS = "anna.adams+x@shop.example"
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0"


@pytest.fixture
def links() -> Links:
    keys = SimpleNamespace(kid=KID, secret=SECRET, believed={KID: SECRET})
    return Links(SimpleNamespace(link_keys=lambda tenant: keys))  # type: ignore[arg-type]


def one(**changed: Any) -> Served:
    plain = Served(1, 1_700_000_000, 7, os.urandom(16), 0x1234_5678_9ABC_DEF1, "de", (11, 22, 33), "spring-sale")
    return plain._replace(**changed)


def test_a_token_says_what_was_put_in_and_no_byte_of_it_tells_person_or_campaign(links: Links) -> None:
    made = one()
    token = links.token(made)
    assert links.read(token) == made
    raw = unshort(token)
    told = (made.campaign.encode(), made.person_no.to_bytes(8, "little"), made.person_no.to_bytes(8, "big"), made.recommendation_id)
    assert not [piece for piece in told if piece in raw]


def test_two_links_of_one_person_share_nothing_behind_the_name_of_the_key(links: Links) -> None:
    head = _FRONT.size + len(KID)
    one_, other = (unshort(links.token(one()))[head:] for _ in range(2))
    assert unshort(links.token(one()))[:head] == _FRONT.pack(3, 1, len(KID)) + KID.encode()
    pieces = [{raw[at : at + 4] for at in range(len(raw) - 3)} for raw in (one_, other)]
    assert not pieces[0] & pieces[1]


def test_a_token_is_as_long_as_one_that_was_only_signed(links: Links) -> None:
    assert len(links.token(one())) == len(_old(one(), _SIGNED))


def _old(wanted: Served, version: int) -> str:
    locale, campaign = wanted.locale.encode(), wanted.campaign.encode()
    head = _HEAD.pack(wanted.at, wanted.placement_no, wanted.recommendation_id, wanted.person_no, len(locale))
    middle = b"" if version == _UNNAMED else bytes((len(campaign),)) + campaign
    items = b"".join(number.to_bytes(4, "little") for number in wanted.items)
    body = _FRONT.pack(version, wanted.tenant, len(KID)) + KID.encode() + head + locale + middle + items
    return short(body + hashlib.blake2b(body, digest_size=16, key=SECRET).digest())


def test_links_of_letters_sent_long_ago_are_read(links: Links) -> None:
    made = one()
    assert links.read(_old(made, _SIGNED)) == made
    assert links.read(_old(made, _UNNAMED)) == made._replace(campaign="")


@pytest.mark.parametrize("old", [False, True])
def test_a_token_with_any_byte_changed_is_not_believed(links: Links, old: bool) -> None:
    raw = unshort(_old(one(), _SIGNED) if old else links.token(one()))
    for at, bit in itertools.product(range(len(raw)), (1, 2, 128)):
        with pytest.raises(BadLink):
            links.read(short(raw[:at] + bytes((raw[at] ^ bit,)) + raw[at + 1 :]))
    for cut in range(len(raw)):
        with pytest.raises(BadLink):
            links.read(short(raw[:cut]))


@pytest.mark.parametrize("public", [False, True])
def test_a_public_caller_is_told_no_person_number(public: bool) -> None:
    outcome = SimpleNamespace(recommendation_id=bytes(16), person_no=77, picks=[])
    snapshot = SimpleNamespace(catalogue=SimpleNamespace(numbers=[]))
    call = SimpleNamespace(
        snapshot=snapshot, outcome=outcome, locale="", tenant=1, placed=SimpleNamespace(number=1), send_id="", campaign="", public=public
    )
    assert served(call, 5).person_no == (0 if public else 77)  # type: ignore[arg-type]


def test_the_remembered_answer_of_another_caller_is_not_given_to_a_public_one() -> None:
    own, public = Call(1, "p"), Call(1, "p")
    public.public = True
    assert _form(own) != _form(public)


@pytest.mark.parametrize("name", [ADDRESS, "mailing to a@b", "x%40y.example", "münchen@bücher.example", "spring-1@2"])
def test_what_looks_like_an_address_has_one_stand_in_a_tenant(settings: Settings, name: str) -> None:
    keys = DataKeys(settings)
    found = keys.stand_in(1, name)
    assert found.startswith("address-")
    assert name not in found
    assert found == DataKeys(settings).stand_in(1, name) != keys.stand_in(2, name)
    assert keys.stand_in(1, found) == found


@pytest.mark.parametrize("name", ["", "spring", "spring @ home", "@home", "a@", "2026-11-30/1", "50%4off"])
def test_other_names_of_mailings_stay(settings: Settings, name: str) -> None:
    assert DataKeys(settings).stand_in(1, name) == name


async def test_a_click_without_a_person_is_that_of_its_serve_and_no_address_is_stored(settings: Settings, db: Database) -> None:
    keys, served_id = DataKeys(settings), os.urandom(16)
    told = About(Signal.DELIVERED, campaign=ADDRESS)
    visit = Event(datetime.now(UTC), message_key("1"), ((2, "visitor"),), Kind.NONE, about=told)
    await add_events(db, settings, [visit])
    assert [flaw.what for flaw in visit.flaws] == ["campaign"]
    assert ADDRESS not in visit.flaws[0].text
    ((number,),) = await db.rows("select person_no from person_identity where value = 'visitor'")
    async with db.begin() as connection:
        await connection.exec_driver_sql(
            "insert into serve (tenant, served_at, recommendation_id, person_no, rung, reason, items, prices, latency_us) "
            "values (1, now(), $1, $2, 1, 0, '{}', '{}', 1)",
            (served_id, number),
        )
    click = response(one(at=int(time.time()) - 600, person_no=0, recommendation_id=served_id, items=(1,), campaign=ADDRESS), 1, AGENT)
    await write_responses(db, settings)([click, response(one(person_no=0, items=(1,)), 1, AGENT)])
    rows = await db.rows("select person_no, campaign from event where signal is not null order by event_no")
    hidden = keys.stand_in(1, ADDRESS)
    assert [tuple(row) for row in rows] == [(number, hidden), (number, hidden), (0, "spring-sale")]


async def test_an_address_as_the_name_of_a_mailing_is_hidden_and_told_once(settings: Settings, db: Database) -> None:
    await stock(db, settings, models=False)
    async with running(settings, db, work=False) as shop:
        hidden = DataKeys(settings).stand_in(1, ADDRESS)
        for name in ("send_id", "campaign"):
            answer = (await shop.get(placement="email-grid", user_id="u1", **{name: ADDRESS})).json()
            assert [warning for warning in answer["warnings"] if ADDRESS in warning] == []
            assert [warning for warning in answer["warnings"] if "looks like an address" in warning and hidden in warning] == [
                answer["warnings"][0]
            ]
            read = shop.app.state.redirector._links.read(answer["items"][0]["url"].split("/")[-2])
            assert read.campaign == hidden
            assert (await shop.get(placement="email-grid", **{name: ADDRESS, "strict": "1"})).status_code == 400
        assert await shop.until(lambda: _sends(shop)) == [hidden]


async def _sends(shop: Shop) -> list[str]:
    return [row[0] for row in await shop.db.rows("select distinct send_id from serve where tenant = 1")]
