"""Events as they are looked at: a page of the newest, and what among them nobody knew."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag

from app.core.db import Database, driver
from app.core.errors import BadRequest
from app.core.ids import IdentityKind
from app.core.settings import Settings
from app.data.events.domain import Arrival, Refused
from app.data.events.sources import listed
from app.data.events.tail import store
from app.data.events.tail.schemas import EventLine, EventPage, Unknown, UnknownItem, UnknownName, Whose, WithoutItem
from app.data.events.tail.store import Bounds, Wanted
from app.data.identity.vault import DataKeys
from app.data.kinds import KIND_NAMES, Signal

LIVE = "live"
_FAR, _LONG_AGO = datetime(9999, 1, 1, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC)
_HIGHEST = (1 << 63) - 1
_KINDS = {int(kind): name for name, kind in KIND_NAMES.items()}


async def page(db: Database, tenant: int, wanted: Wanted, before: str, after: str, limit: int, *, with_people: bool) -> EventPage:
    """Return the newest events between two cursors; raises BadRequest for a cursor that is none of ours."""
    bounds = Bounds(_place(before, (_FAR, _HIGHEST), "before"), _place(after, (_LONG_AGO, -1), "after"))
    async with db.begin() as connection:
        rows, looked, end = await store.newest(await driver(connection), tenant, bounds, wanted, limit)
    return EventPage(
        events=[_line(row, with_people) for row in rows],
        looked_at=looked,
        next=_cursor(end) if end else None,
        newest=_cursor((rows[0][0], rows[0][1])) if rows else after or None,
    )


async def unknown(db: Database, settings: Settings, tenant: int, days: int) -> Unknown:
    """Return what was stored though its name or its item is unknown, among the newest events of some days."""
    since = datetime.now(UTC) - timedelta(days=days)
    async with db.begin() as connection:
        below = await driver(connection)
        found = await store.unknown(below, tenant, since)
        sealed = await store.lost(below, tenant, since) if found.without else []
    items = await asyncio.to_thread(_items, DataKeys(settings), sealed)
    return Unknown(
        looked_at=found.events,
        since=found.since,
        names=[UnknownName(name=row[0], count=row[1], last_at=row[2]) for row in found.names],
        items=items,
        without_item=[WithoutItem(kind=_kind(row[0]), source=row[1] or LIVE, count=row[2], without=row[3]) for row in found.without],
    )


def _items(keys: DataKeys, rows: Sequence[Any]) -> list[UnknownItem]:
    counts: Counter[str] = Counter()
    last: dict[str, datetime] = {}
    for at, person, payload, sealed, source_no in rows:
        try:
            message = orjson.loads(keys.cipher(person, sealed).unseal(payload))
        except (InvalidTag, ValueError):
            # of another installation, or no JSON: it names no item that anybody could look up
            continue
        for name in _named(message, at, file=source_no is not None):
            counts[name] += 1
            last[name] = max(last.get(name, at), at)
    return [UnknownItem(item_id=name, count=count, last_at=last[name]) for name, count in counts.most_common(100)]


def _named(message: Any, at: datetime, *, file: bool) -> set[str]:
    """Return the ids of items in a message."""
    if not isinstance(message, dict):
        return set()
    if file and "item_id" in message:
        return {str(message["item_id"])}
    source = listed.named("tracking")
    try:
        return {one.item_id for one in source.read(message, Arrival(at)) if one.item_id} if source else set()
    except Refused:
        return set()


def _line(row: Any, with_people: bool) -> EventLine:
    received, number, occurred, _, kind, name, _, _, quantity, value, _, signal, mark, _, campaign, *more = row
    source, item, title, placement, whose, lost, _ = more
    person = Whose(kind=IdentityKind(whose[0]).name.lower(), value=whose[1]) if whose and with_people else None
    return EventLine(
        event_no=number, received_at=received, occurred_at=occurred, kind=_kind(kind), name=name,
        signal=Signal(signal).name.lower() if signal is not None else "", machine=mark is not None, source=source or LIVE, item_id=item,
        title=title or "", unknown_item=lost, quantity=quantity, value=value, placement=placement or "", campaign=campaign or "",
        person=person,
    )  # fmt: skip


def _kind(number: int) -> str:
    # a number that a newer release wrote has no name here
    return _KINDS.get(number, f"kind {number}")


def _cursor(place: tuple[datetime, int]) -> str:
    return f"{place[0].astimezone(UTC).isoformat().replace('+00:00', 'Z')}_{place[1]}"


def _place(text: str, default: tuple[datetime, int], name: str) -> tuple[datetime, int]:
    if not text:
        return default
    at, _, number = text.partition("_")
    try:
        moment, place = datetime.fromisoformat(at), int(number)
    except ValueError:
        raise BadRequest(f"`{name}` must be the `next` or `newest` of a page.") from None
    if not -1 <= place <= _HIGHEST:
        raise BadRequest(f"`{name}` must be the `next` or `newest` of a page.")
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)), place
