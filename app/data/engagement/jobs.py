"""What the worker does about signals: finds machines that several signals together betray, and attributes orders."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.db import Database
from app.core.jobs import Job, Shared, each
from app.core.settings import Settings
from app.data.engagement import store
from app.data.engagement.attribution import EVER, TOUCHES, attribute
from app.data.engagement.store import REGROUPED, SIGNALS, Heard, New
from app.data.events import log
from app.data.events.machines import SEVERAL, Seen, judge
from app.data.kinds import Kind, Signal

AT_ONCE = 5_000
SIGNALS_S = 1.0
_STRIDE = 10_000
_ORDERS = (Kind.PURCHASE, Kind.RETURN, Kind.ORDER_CANCEL)
_RESPONSES = (Signal.OPEN, Signal.CLICK)


async def follow(db: Database, settings: Settings, tenant: int) -> int:
    """Read the next stretch of the log; return how much of `AT_ONCE` it was, events or regrouped people.

    Position, marks and attributions are stored in one transaction. Raises when PostgreSQL is away.
    """
    async with db.begin() as connection:
        await store.own(connection, tenant)
        at, horizon = await SIGNALS.position(connection, tenant), await log.horizon(connection)
        found, read = await store.news(connection, tenant, at, AT_ONCE)
        since = await _since(connection, tenant)
        moved = len(since)
        if found:
            await _judge(connection, tenant, found)
            for one in found:
                if one.kind in _ORDERS or (one.signal in TOUCHES and one.recommendation_id is not None):
                    since[one.person_no] = min(one.occurred_at, since.get(one.person_no, one.occurred_at))
            await SIGNALS.move(connection, tenant, found[-1].at)
        elif horizon.xid - at.xid > _STRIDE:
            # what lies between is other tenants': it need not be passed over each time
            await SIGNALS.move(connection, tenant, horizon)
        await attribute(connection, settings, tenant, since)
        return max(read, moved)


async def _since(connection: AsyncConnection, tenant: int) -> dict[int, datetime]:
    """Return the people whose group changed: all their orders are to be decided again."""
    moved = await store.regrouped(connection, tenant, await REGROUPED.position(connection, tenant), AT_ONCE)
    if moved:
        await REGROUPED.move(connection, tenant, moved[-1])
    return {one.event_no: EVER for one in moved}


async def _judge(connection: AsyncConnection, tenant: int, found: Sequence[New]) -> None:
    """Judge all opens and clicks of the serves that something new is known of."""
    serves = {one.recommendation_id for one in found if one.signal in _RESPONSES and one.recommendation_id is not None}
    letters = [(one.person_no, one.campaign) for one in found if one.signal == Signal.DELIVERED and one.campaign]
    if letters:
        serves |= await store.clicked(connection, tenant, {person for person, _ in letters}, {campaign for _, campaign in letters})
    if not serves:
        return
    heard = await store.responses(connection, tenant, serves)
    campaigns = {one.campaign for one in heard if one.campaign and one.root_no}
    moments: dict[tuple[int, str], list[float]] = defaultdict(list)
    if campaigns:
        roots = {one.root_no for one in heard if one.campaign}
        for root_no, campaign, at in await store.delivered(connection, tenant, roots, campaigns):
            moments[root_no, campaign].append(at)
    by_serve: dict[bytes, list[Heard]] = defaultdict(list)
    for one in heard:
        by_serve[one.recommendation_id].append(one)
    changed = []
    for responses in by_serve.values():
        delivered = [at for key in {(one.root_no, one.campaign or "") for one in responses} for at in moments.get(key, ())]
        marks = judge([_seen(one) for one in responses], delivered)
        changed += [
            (one.received_at, one.event_no, mark) for one in responses if (mark := marks[one.event_no]) != one.mark
        ]  # fmt: skip
    await store.mark(connection, tenant, changed)


def _seen(one: Heard) -> Seen:
    own = one.mark if one.mark is not None and one.mark < SEVERAL else None
    return Seen(one.event_no, one.at, one.signal == Signal.CLICK, one.item_no, one.client, own)


def jobs(shared: Shared) -> list[Job]:
    """Return what the worker does about signals."""

    async def step() -> bool:
        read = await each(await shared.tenants(), partial(follow, shared.db, shared.settings))
        # what trickles in is read once a second: each reading costs the same
        return max(read, default=0) >= AT_ONCE

    return [Job("signals", step, SIGNALS_S)]
