"""Sums answers and events up by minute, minutes by hour, and forgets what is old: pages read a thousand rows, not a million."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.db import Database
from app.core.telemetry import APPLY_LAG, PROBE_FAILING
from app.operations import signal_days

BOUNDS_US = (1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 300_000, 500_000, 1_000_000)
"""Upper bounds of the latency's histogram; what is above the last has a place of its own."""
# Records are written a moment after their answers, and events within one group commit.
_BEHIND = timedelta(seconds=75)
_FIRST = timedelta(days=14)
# a transaction that writes holds back all who follow the log, so none takes long
_CHUNK = timedelta(hours=1)
_KEEP_MINUTES = timedelta(days=14)
_KEEP_HOURS = timedelta(days=400)
_EDGES = (-1, *BOUNDS_US)
_LATENCY = ", ".join(
    [f"count(*) filter (where latency_us > {low} and latency_us <= {high})" for low, high in zip(_EDGES, BOUNDS_US, strict=False)]
    + [f"count(*) filter (where latency_us > {BOUNDS_US[-1]})"]
)
_SERVES = f"""
insert into rollup_serve (tenant, width, at, placement_no, client_no, rung, reason, answers, empty, latency)
select tenant, 60, date_trunc('minute', served_at), coalesce(placement_no, 0), coalesce(client_no, 0), rung, reason,
    count(*), count(*) filter (where cardinality(items) = 0), array[{_LATENCY}]::int[]
from serve where tenant = :tenant and served_at >= :start and served_at < :end group by 1, 2, 3, 4, 5, 6, 7
on conflict do nothing
"""
_EVENTS = """
insert into rollup_event (tenant, width, at, source_no, kind, events)
select tenant, 60, date_trunc('minute', received_at), coalesce(source_no, 0), kind, count(*)
from event where tenant = :tenant and received_at >= :start and received_at < :end and person_no >= 0 group by 1, 2, 3, 4, 5
on conflict do nothing
"""
_SERVE_HOURS = """
insert into rollup_serve (tenant, width, at, placement_no, client_no, rung, reason, answers, empty, latency)
select tenant, 3600, at, placement_no, client_no, rung, reason, sum(answers), sum(empty), array_agg(total order by place)
from (
    select tenant, date_trunc('hour', at) as at, placement_no, client_no, rung, reason, place,
        sum(case when place = 1 then answers end) as answers, sum(case when place = 1 then empty end) as empty, sum(value) as total
    from rollup_serve, unnest(latency) with ordinality as bucket (value, place)
    where tenant = :tenant and width = 60 and at >= :start and at < :end group by 1, 2, 3, 4, 5, 6, 7
) places group by 1, 3, 4, 5, 6, 7
on conflict do nothing
"""
_EVENT_HOURS = """
insert into rollup_event (tenant, width, at, source_no, kind, events)
select tenant, 3600, date_trunc('hour', at), source_no, kind, sum(events) from rollup_event
where tenant = :tenant and width = 60 and at >= :start and at < :end group by 1, 3, 4, 5
on conflict do nothing
"""
_GAUGE_HOURS = """
insert into rollup_gauge (tenant, width, at, series, value)
select tenant, 3600, date_trunc('hour', at), series, max(value) from rollup_gauge
where tenant = :tenant and width = 60 and at >= :start and at < :end group by 1, 3, 4
on conflict do nothing
"""


_FORGET = (
    "delete from rollup_serve where tenant = :tenant and width = :width and at < :at",
    "delete from rollup_event where tenant = :tenant and width = :width and at < :at",
    "delete from rollup_gauge where tenant = :tenant and width = :width and at < :at",
)


async def roll_up(db: Database, tenant: int, now: datetime | None = None) -> bool:
    """Sum up what is finished since the last time, at most some hours of it; return whether there is more."""
    moment = now or datetime.now(UTC)
    ready = (moment - _BEHIND).replace(second=0, microsecond=0)
    async with db.begin() as connection:
        minutes, hours = await _position(connection, tenant, ready)
        end = min(ready, minutes + _CHUNK)
        if end > minutes:
            for statement in (_SERVES, _EVENTS):
                await connection.execute(text(statement), {"tenant": tenant, "start": minutes, "end": end})
            await signal_days.add(connection, tenant, minutes, end)
        await _gauges(connection, tenant, ready)
        hour_end = end.replace(minute=0)
        if hour_end > hours:
            for statement in (_SERVE_HOURS, _EVENT_HOURS, _GAUGE_HOURS):
                await connection.execute(text(statement), {"tenant": tenant, "start": hours, "end": hour_end})
            if end == ready:
                await signal_days.again(connection, tenant, end)
        await connection.execute(
            text("update rollup_position set minutes_until = :minutes, hours_until = :hours where tenant = :tenant"),
            {"tenant": tenant, "minutes": max(end, minutes), "hours": max(hour_end, hours)},
        )
    return end < ready


async def forget_old(db: Database, tenant: int) -> None:
    """Delete minutes after two weeks, hours after some thirteen months."""
    now = datetime.now(UTC)
    for forget in _FORGET:
        for width, kept in ((60, _KEEP_MINUTES), (3600, _KEEP_HOURS)):
            await db.run(forget, tenant=tenant, width=width, at=now - kept)
    async with db.begin() as connection:
        await signal_days.forget(connection, tenant, now - _KEEP_HOURS)


async def _position(connection: AsyncConnection, tenant: int, ready: datetime) -> tuple[datetime, datetime]:
    start = ready - _FIRST
    await connection.execute(
        text("insert into rollup_position (tenant, minutes_until, hours_until) values (:tenant, :start, :hour) on conflict do nothing"),
        {"tenant": tenant, "start": start, "hour": start.replace(minute=0)},
    )
    row = await connection.execute(
        text("select minutes_until, hours_until from rollup_position where tenant = :tenant for update of rollup_position"),
        {"tenant": tenant},
    )
    minutes, hours = row.one()
    return minutes, hours


async def _gauges(connection: AsyncConnection, tenant: int, at: datetime) -> None:
    """Keep what this process, the worker, knows of now: it is the one that brings events to states."""
    values = {"apply_lag_s": APPLY_LAG, "probe_failing": PROBE_FAILING}
    for series, gauge in values.items():
        value = sum(sample.value for metric in gauge.collect() for sample in metric.samples)
        await connection.execute(
            text(
                "insert into rollup_gauge (tenant, width, at, series, value) values (:tenant, 60, :at, :series, :value) "
                "on conflict (tenant, width, series, at) do update set value = greatest(rollup_gauge.value, excluded.value)"
            ),
            {"tenant": tenant, "at": at, "series": series, "value": value},
        )
