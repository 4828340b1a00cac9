"""Signals of e-mail and web: each under its own name, none of them a wish for an item."""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.core.db import Database
from app.core.ids import short
from app.core.settings import Settings
from app.data.events.domain import About
from app.data.events.formats.segment_api import Arrival, read
from app.data.events.machines import Client, Mark
from app.data.kinds import Kind, Signal
from app.data.online.publisher import Publisher
from app.data.people import states
from app.ml import dataset
from app.ml.popularity.service import refresh_popular
from tests.data.conftest import Put, event
from tests.data.people.test_state import state_of

HOW = Arrival(datetime(2026, 5, 1, 12, tzinfo=UTC))
PROXY = "Mozilla/5.0"
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)


def told(name: str, *, how: Arrival = HOW, context: Any = None, **properties: Any) -> About | None:
    message = {"type": "track", "event": name, "userId": "ann", "anonymousId": "x", "properties": properties, "context": context}
    return read(message, how)[0].about


@pytest.mark.parametrize(
    ("name", "signal"),
    [
        ("Email Sent", Signal.SENT),
        ("Email Delivered", Signal.DELIVERED),
        ("Email Bounced", Signal.BOUNCE),
        ("Email Marked as Spam", Signal.COMPLAINT),
        ("Unsubscribed", Signal.UNSUBSCRIBE),
        ("Email Opened", Signal.OPEN),
        ("Email Link Clicked", Signal.CLICK),
        ("email_link_clicked", Signal.CLICK),
    ],
)
def test_the_e_mail_events_of_segment_are_signals_and_no_kinds(name: str, signal: Signal) -> None:
    found = told(name, campaign_id="spring", email_id="e1")
    assert found == About(signal, campaign="spring")
    assert read({"type": "track", "event": name, "userId": "ann"}, HOW)[0].kind is Kind.NONE


def test_an_impression_or_a_click_is_a_signal_when_it_names_our_answer() -> None:
    identity = os.urandom(16)
    ours = {"recommendation_id": short(identity), "placement": "home", "product_id": "a"}
    assert told("Product List Viewed", **ours) == About(Signal.IMPRESSION, identity, placement="home")
    assert told("Product Clicked", **ours) == About(Signal.CLICK, identity, placement="home")
    assert told("Product Clicked", product_id="a") is None
    assert told("Product Viewed", **ours) is None


@pytest.mark.parametrize("identity", ["", "x", 7, None, True, ["a"], "A" * 21, "A" * 23, "é" * 22, "A" * 5000, "====", "\0"])
def test_an_id_that_is_none_of_ours_is_left_out_and_the_event_kept(identity: Any) -> None:
    assert told("Email Opened", recommendation_id=identity) == About(Signal.OPEN)
    assert told("Product Clicked", recommendation_id=identity, product_id="a") is None


@pytest.mark.parametrize("campaign", ["", " ", "a\0b", "x" * 256, "é" * 128, True, 1.5, {}, []])
def test_a_campaign_that_cannot_be_kept_is_left_out_and_the_event_kept(campaign: Any) -> None:
    assert told("Email Opened", campaign_id=campaign) == About(Signal.OPEN)


def test_a_public_key_cannot_invent_letters() -> None:
    assert told("Email Delivered", how=replace(HOW, anonymous_only=True)) is None
    ours = {"recommendation_id": short(os.urandom(16))}
    found = told("Product List Viewed", how=replace(HOW, anonymous_only=True), **ours)
    assert found is not None
    assert found.signal is Signal.IMPRESSION


def test_opens_and_clicks_that_others_tell_are_marked_by_the_agent_or_by_their_word() -> None:
    opened = told("Email Opened", context={"userAgent": PROXY})
    assert opened == About(Signal.OPEN, client=Client.PREFETCHER, mark=Mark.APPLE_MAIL_PRIVACY)
    assert told("Email Link Clicked", context={"user_agent": PHONE}) == About(Signal.CLICK, client=Client.BROWSER)
    assert told("Email Opened", sg_machine_open=True) == About(Signal.OPEN, mark=Mark.TOLD)
    assert told("Email Link Clicked", is_suspected_bot_click=True) == About(Signal.CLICK, mark=Mark.TOLD)
    assert told("Email Delivered", context={"userAgent": "Mimecast Ltd"}) == About(Signal.DELIVERED)


async def test_signals_are_stored_with_their_columns_beside_other_events_of_the_same_call(
    http: httpx.AsyncClient, db: Database, catalogue: dict[str, int]
) -> None:
    await db.run("insert into placement (tenant, name) values (1, 'email-grid')")
    identity = os.urandom(16)
    more = {"campaign_id": "spring", "recommendation_id": short(identity), "placement": "email-grid"}
    names = ["Email Sent", "Product Viewed", "Email Opened"]
    batch = [
        {"type": "track", "event": name, "userId": "ann", "messageId": name, "context": {"userAgent": PROXY},
         "properties": {**more, "product_id": "a"}}
        for name in names
    ]  # fmt: skip
    for accepted, duplicates in ((3, 0), (0, 3)):
        answer = (await http.post("/v1/batch", json={"batch": batch})).json()
        assert (answer["accepted"], answer["duplicates"]) == (accepted, duplicates)
    rows = await db.rows("select name, kind, signal, mark, client, recommendation_id, campaign, placement_no from event order by event_no")
    found = {row[0]: tuple(row[1:]) for row in rows}
    (placement_no,) = (await db.rows("select placement_no from placement"))[0]
    assert found == {
        "Product Viewed": (int(Kind.VIEW), None, None, None, None, None, None),
        "Email Sent": (0, int(Signal.SENT), None, None, identity, "spring", placement_no),
        "Email Opened": (0, int(Signal.OPEN), int(Mark.APPLE_MAIL_PRIVACY), int(Client.PREFETCHER), identity, "spring", placement_no),
    }


async def test_what_is_done_to_a_person_is_no_sign_of_life_and_what_a_machine_does_is_no_history(
    put: Put, db: Database, settings: Settings, publisher: Publisher, tenant: int, catalogue: dict[str, int]
) -> None:
    applier = states.Applier(db, settings, publisher, tenant)
    await put(event(1, item="a", kind=Kind.VIEW))
    await applier.apply()
    before = await state_of(publisher, "ann")
    assert before is not None
    await put(
        event(50, item=None, kind=Kind.NONE, about=About(Signal.DELIVERED)),
        event(60, item="b", kind=Kind.CLICK, about=About(Signal.CLICK, mark=Mark.SECURITY_SCANNER)),
        event(70, item=None, kind=Kind.NONE, about=About(Signal.OPEN, mark=Mark.APPLE_MAIL_PRIVACY)),
    )
    await applier.apply()
    after = await state_of(publisher, "ann")
    assert after is not None
    assert (after.last_seen, after.groups.tolist()) == (before.last_seen, before.groups.tolist())
    await put(event(80, item="c", kind=Kind.CLICK, about=About(Signal.CLICK)))
    await applier.apply()
    clicked = await state_of(publisher, "ann")
    assert clicked is not None
    assert clicked.last_seen - before.last_seen == 79 * 60
    assert clicked.groups.tolist() == [catalogue["a"], catalogue["c"]]


async def test_marked_events_are_no_part_of_training_and_popular_lists(
    put: Put, db: Database, tenant: int, catalogue: dict[str, int]
) -> None:
    now = datetime.now(UTC)
    moments = {"occurred_at": now - timedelta(days=1)}
    await put(
        event(1, "ann", "a", Kind.CLICK, about=About(Signal.CLICK), **moments),
        event(2, "bob", "b", Kind.CLICK, about=About(Signal.CLICK, mark=Mark.MANY_LINKS_AT_ONCE), **moments),
    )
    data = await dataset.read(db, tenant, dataset.Window.days(now, 30), default_consent=True)
    assert data.groups[data.row].tolist() == [catalogue["a"]]
    await refresh_popular(db, tenant)
    (row,) = await db.rows("select groups, scores from popular_list where segment = ''")
    scores = dict(zip(row[0], row[1], strict=True))
    assert scores[catalogue["a"]] > 0
    assert scores[catalogue["b"]] == 0
