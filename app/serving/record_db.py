"""Writes serves, clicks and opens to PostgreSQL, in groups, behind the answers."""

import io
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import text

from app.core.db import Database, driver
from app.core.ids import short
from app.core.settings import Settings
from app.data.events import store as events
from app.data.events.domain import Kind, Signal
from app.data.people.keys import DataKeys
from app.serving.record import SERVE_COLUMNS
from app.serving.responses import Response

NOBODY = 0
CLICKED, OPENED = "Recommendation Clicked", "Recommendation Opened"
_ITEMS = "select item_no, group_no from item where tenant = :tenant and item_no = any(:items)"
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

    One whose id was written before is left out, and so are those of people who withdrew consent, or whom nobody knows any more.
    """
    keys = DataKeys(settings)

    async def write(responses: list[Response]) -> None:
        for tenant in {one.tenant for one in responses}:
            mine = {one.message_id: one for one in responses if one.tenant == tenant}
            async with db.begin() as connection:
                fresh = await events.claim_messages(connection, tenant, mine)
                new = [one for message_id, one in mine.items() if message_id in fresh]
                groups = dict(await _pairs(connection, _ITEMS, tenant=tenant, items=list({one.item_no for one in new if one.item_no})))
                found = await connection.execute(text(_PEOPLE), {"tenant": tenant, "people": list({one.person_no for one in new})})
                people = {number: (bytes(key), consent) for number, key, consent in found}
                rows = [row for one in new if (row := _event(one, groups, people, keys)) is not None]
                await events.add_signals(connection, rows)

    return write


_BEFORE = datetime(1970, 1, 1, tzinfo=UTC)


def _event(one: Response, groups: dict[int, int], people: dict[int, tuple[bytes, int | None]], keys: DataKeys) -> tuple[Any, ...] | None:
    payload = orjson.dumps({"recommendation_id": short(one.recommendation_id), "position": one.position})
    if one.person_no != NOBODY:
        if one.person_no not in people or people[one.person_no][1] == 0:
            return None
        payload = keys.cipher(one.person_no, people[one.person_no][0]).seal(payload)
    group_no = groups.get(one.item_no)
    item = one.item_no if group_no is not None else None
    click = one.signal == Signal.CLICK
    return (
        one.tenant, _BEFORE + timedelta(microseconds=one.at), one.message_id, one.person_no, int(Kind.CLICK if click else Kind.NONE),
        CLICKED if click else OPENED, item, group_no, None, 1.0 if click else None, None, None, payload, False,
        one.signal, one.mark or None, one.client, one.recommendation_id, one.campaign or None, one.placement_no or None,
    )  # fmt: skip


async def _pairs(connection: Any, sql: str, **values: Any) -> list[tuple[int, int]]:
    return [(row[0], row[1]) for row in await connection.execute(text(sql), values)]
