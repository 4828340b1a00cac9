"""Writes serves and clicks to PostgreSQL, in groups, behind the answers."""

import io
import os
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from sqlalchemy import text

from app.core.db import Database, driver
from app.core.ids import short
from app.core.settings import Settings
from app.data.events import store as events
from app.data.events.domain import Kind
from app.data.people.keys import DataKeys
from app.serving.record import SERVE_COLUMNS

NOBODY = 0
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


def write_clicks(db: Database, settings: Settings) -> Callable[[list[tuple[Any, ...]]], Awaitable[None]]:
    """Return the writer of clicks: each becomes an event of the person, or of nobody where none was named.

    Clicks of people who withdrew consent, or whom nobody knows any more, are not stored.
    """
    keys = DataKeys(settings)

    async def write(records: list[tuple[Any, ...]]) -> None:
        for tenant in {record[0] for record in records}:
            mine = [record for record in records if record[0] == tenant]
            async with db.begin() as connection:
                groups = dict(await _pairs(connection, _ITEMS, tenant=tenant, items=list({record[3] for record in mine})))
                found = await connection.execute(text(_PEOPLE), {"tenant": tenant, "people": list({record[2] for record in mine})})
                people = {number: (bytes(key), consent) for number, key, consent in found}
                rows = [row for record in mine if (row := _event(record, groups, people, keys)) is not None]
                await events.add(connection, rows)

    return write


def _event(
    record: tuple[Any, ...], groups: dict[int, int], people: dict[int, tuple[bytes, int | None]], keys: DataKeys
) -> tuple[Any, ...] | None:
    tenant, at, person_no, item_no, recommendation_id, position = record
    payload = orjson.dumps({"recommendation_id": short(recommendation_id), "position": position})
    if person_no != NOBODY:
        if person_no not in people or people[person_no][1] == 0:
            return None
        payload = keys.cipher(person_no, people[person_no][0]).seal(payload)
    group_no = groups.get(item_no)
    item = item_no if group_no is not None else None
    name = "Recommendation Clicked"
    return (tenant, at, os.urandom(16), person_no, int(Kind.CLICK), name, item, group_no, None, 1.0, None, None, payload, False)


async def _pairs(connection: Any, sql: str, **values: Any) -> list[tuple[int, int]]:
    return [(row[0], row[1]) for row in await connection.execute(text(sql), values)]
