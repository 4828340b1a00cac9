"""Which events a training reads: all there are up to a moment, unless a window or a bound on memory asks for fewer."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from app.core.db import Database
from app.data.kinds import Kind
from app.ml.dataset import Window

_TEACHES = f"group_no is not null and mark is null and not (public and kind = {int(Kind.PURCHASE)})"
_SUPPLY = f"""
select count(*) as stored, count(*) filter (where group_no is null) as without_item,
    count(*) filter (where group_no is not null and mark is not null) as machines,
    count(*) filter (where group_no is not null and mark is null and public and kind = {int(Kind.PURCHASE)}) as untrusted,
    count(*) filter (where {_TEACHES} and occurred_at >= :end) as later,
    count(*) filter (where {_TEACHES} and occurred_at < :end) as before,
    min(occurred_at) filter (where {_TEACHES} and occurred_at < :end) as oldest,
    max(occurred_at) filter (where {_TEACHES} and occurred_at < :end) as newest,
    min(occurred_at) filter (where {_TEACHES} and occurred_at >= :end) as next
from event where tenant = :tenant and kind > 0
"""
_OF_THE_NEWEST = f"""
select occurred_at from event where tenant = :tenant and kind > 0 and {_TEACHES} and occurred_at < :end
order by occurred_at desc offset :most limit 1
"""
_INSTANT = timedelta(microseconds=1)
_STALE = timedelta(days=1)
"""Data that end longer ago are learned as of their own end: seen from today they would all count next to nothing."""


@dataclass(frozen=True)
class Supply:
    """The events of a tenant that say what somebody likes, and the window of them that is read.

    `stored` counts all; `without_item` name no item of the catalogue, `machines` were marked, `untrusted` are
    orders of public keys, `later` lie after the moment asked for, of
    which the first is `next`; `before` may be read, from `oldest` to `newest`.
    """

    stored: int
    without_item: int
    machines: int
    untrusted: int
    later: int
    before: int
    oldest: datetime | None
    newest: datetime | None
    next: datetime | None
    window: Window
    days: float | None

    def document(self, used: int) -> dict[str, Any]:
        """Return what the manifest holds of it, given how many events were learned from."""
        left = {"without_item": self.without_item, "machines": self.machines, "orders_of_public_keys": self.untrusted, "later": self.later}
        rest = self.stored - used - sum(left.values())
        return {"events": used, "events_stored": self.stored, "left_out": {**left, "window_consent_returns": rest}}

    def sentence(self, used: int) -> str:
        """Tell how many events were used, of which time, and why others were not."""
        parts = [
            (self.without_item, "name no item of the catalogue"),
            (self.machines, "were made by machines"),
            (self.untrusted, "are orders that came by a public key"),
            (self.later, f"are not before {self.window.end:%Y-%m-%d %H:%M}"),
        ]
        rest = self.stored - used - sum(count for count, _ in parts)
        parts.append((rest, "lie before the window, were returned, told twice, or belong to people without consent"))
        why = "; ".join(f"{count:,} {reason}" for count, reason in parts if count > 0)
        span = f"from {self.window.start:%Y-%m-%d} to {self.window.end:%Y-%m-%d}"
        return f"used {used:,} of {self.stored:,} events, {span}{f' ({why})' if why else ''}"

    def nothing(self) -> str:
        """Tell why there is nothing to learn from, and what to do."""
        if not self.stored:
            return "no events are stored: import events for items of the catalogue first"
        told = f"{self.stored:,} events are stored"
        if self.newest is not None and self.newest < self.window.start:
            return (
                f"{told}, but the newest is of {self.newest:%Y-%m-%d}, and the window begins on {self.window.start:%Y-%m-%d}: "
                "leave --days out, or set --until to its date"
            )
        if self.newest is None and self.next is not None:
            return (
                f"{told}, but the first is of {self.next:%Y-%m-%d}, not before {self.window.end:%Y-%m-%d}: set MORSEL_NOW or --until later"
            )
        if self.newest is None and self.without_item:
            return (
                f"{told}, but {self.without_item:,} name no item of the catalogue: import the catalogue first, "
                "then the events anew (`morsel import undo SOURCE` takes them back)"
            )
        date = f", the newest of {self.newest:%Y-%m-%d}" if self.newest else ""
        return f"{told}{date}, but all were returned, made by machines, told by a public key, or belong to people without consent"


async def look(db: Database, tenant: int, *, now: datetime, until: datetime | None, days: float | None, most: int) -> Supply:
    """Return what there is and the window to read: up to `until` (default: `now`), `days` long (default: all), at most `most` events.

    Without `until`, data that ended more than a day ago are read as of their end, so that ages count from there.
    """
    end = until or now
    (row,) = await db.rows(_SUPPLY, tenant=tenant, end=end)
    if until is None and row.newest is not None and row.newest < end - _STALE:
        end = (row.newest + _INSTANT).astimezone(UTC)
    start = end - timedelta(days=days) if days is not None else min(row.oldest or end, end).astimezone(UTC)
    if row.before > most:
        bound = await db.rows(_OF_THE_NEWEST, tenant=tenant, end=end, most=most)
        if bound:
            start = max(start, (bound[0].occurred_at + _INSTANT).astimezone(UTC))
    return Supply(**row._mapping, window=Window(start, end), days=days)
