"""Writes serves, clicks and opens to PostgreSQL, in groups, behind the answers."""

import io
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import text

from app.core.db import Database, driver
from app.core.ids import short
from app.core.settings import Settings
from app.data.events import store as events
from app.data.events.store import EventRow, SignalRow
from app.data.identity import told
from app.data.identity.purposes import Defaults
from app.data.identity.vault import DataKeys
from app.data.kinds import Kind, Signal
from app.serving.clickback.queue import Response
from app.serving.record.serves import SERVE_COLUMNS

NOBODY = 0
CLICKED, OPENED = "Recommendation Clicked", "Recommendation Opened"
_ITEMS = "select item_no, group_no from item where tenant = :tenant and item_no = any(:items)"
_SERVED = (
    "select recommendation_id, person_no from serve "
    "where tenant = :tenant and recommendation_id = any(:ids) and person_no is not null order by served_at desc"
)
_PEOPLE = "select person_no, data_key, consent from person where tenant = :tenant and person_no = any(:people)"


def write_serves(db: Database) -> Callable[[list[bytes]], Awaitable[None]]:
    """Return the writer of serves."""

    async def write(records: list[bytes]) -> None:
        async with db.begin() as connection:
            source = io.BytesIO(b"".join((_COPY_HEAD, *records, _COPY_END)))
            await (await driver(connection)).copy_to_table("serve", source=source, columns=SERVE_COLUMNS, format="binary")

    return write


# PostgreSQL's manual, COPY, "Binary Format": signature, flags, length of the extension
_COPY_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_END = b"\xff\xff"


def write_responses(db: Database, settings: Settings) -> Callable[[list[Response]], Awaitable[None]]:
    """Return the writer of clicks and opens: each becomes one event of the person, or of nobody where none was named.

    Where the link named nobody, its serve tells who it was, if that is written. One whose id was written before is left out, and so
    are those of people who withdrew consent, or whom nobody knows any more. One of somebody who wants no tracking, by a link of before,
    is nobody's: it counts in sums alone.
    """
    keys, defaults = DataKeys(settings), Defaults.of(settings)

    async def write(responses: list[Response]) -> None:
        for tenant in {one.tenant for one in responses}:
            mine = {one.message_id: one for one in responses if one.tenant == tenant}
            async with db.begin() as connection:
                fresh = await events.claim_messages(connection, tenant, mine)
                new = await _named(connection, tenant, [one for message_id, one in mine.items() if message_id in fresh], keys)
                groups = dict(await _pairs(connection, _ITEMS, tenant=tenant, items=list({one.item_no for one in new if one.item_no})))
                found = await connection.execute(text(_PEOPLE), {"tenant": tenant, "people": list({one.person_no for one in new})})
                people = {number: (bytes(key), consent) for number, key, consent in found}
                silent = await told.untracked(connection, tenant, people, defaults)
                rows = [row for one in new if (row := _event(_unnamed(one, silent), groups, people, keys)) is not None]
                await events.add_signals(connection, rows)

    return write


async def _named(connection: Any, tenant: int, responses: list[Response], keys: DataKeys) -> list[Response]:
    """Say whose those responses are whose links named nobody, and leave no address in a campaign: older links have some."""
    ids = list({one.recommendation_id for one in responses if one.person_no == NOBODY})
    served = {bytes(key): number for key, number in await _pairs(connection, _SERVED, tenant=tenant, ids=ids)} if ids else {}
    return [
        one._replace(person_no=one.person_no or served.get(one.recommendation_id, NOBODY), campaign=keys.stand_in(tenant, one.campaign))
        for one in responses
    ]


def _unnamed(one: Response, silent: Collection[int]) -> Response:
    """Take out of a response who it was of, also by way of the serve, if they want no tracking."""
    return one._replace(person_no=NOBODY, recommendation_id=b"") if one.person_no in silent else one


_BEFORE = datetime(1970, 1, 1, tzinfo=UTC)


def _event(
    one: Response, groups: dict[int, int], people: dict[int, tuple[bytes, int | None]], keys: DataKeys
) -> tuple[EventRow, SignalRow] | None:
    payload = orjson.dumps({"recommendation_id": short(one.recommendation_id), "position": one.position})
    if one.person_no != NOBODY:
        if one.person_no not in people or people[one.person_no][1] == 0:
            return None
        payload = keys.cipher(one.person_no, people[one.person_no][0]).seal(payload)
    group_no = groups.get(one.item_no)
    item = one.item_no if group_no is not None else None
    click = one.signal == Signal.CLICK
    row = EventRow(
        one.tenant, _BEFORE + timedelta(microseconds=one.at), one.message_id, one.person_no, int(Kind.CLICK if click else Kind.NONE),
        CLICKED if click else OPENED, item, group_no, order_key=None, quantity=1.0 if click else None, value=None, source_no=None,
        payload=payload, on_site=False, public=False,
    )  # fmt: skip
    placement, campaign = one.placement_no or None, one.campaign or None
    return row, SignalRow(one.signal, one.mark or None, one.client, one.recommendation_id or None, campaign, placement)


async def _pairs(connection: Any, sql: str, **values: Any) -> list[tuple[Any, int]]:
    return [(row[0], row[1]) for row in await connection.execute(text(sql), values)]
