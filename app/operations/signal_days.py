"""Signals summed up by day, placement and campaign: added as they come, and the last days summed anew, since marks come later."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.data.kinds import Signal

_AGAIN_DAYS = 2
_KEEP = "delete from rollup_signal where tenant = :tenant and day < :day"
# A signal that names an answer but no placement or campaign has those of the answer.
_SUMMED = """
select e.tenant, (e.occurred_at at time zone 'UTC')::date, e.signal, coalesce(e.placement_no, s.placement_no, 0),
    coalesce(e.campaign, s.send_id, ''), count(*) filter (where e.mark is null), count(*) filter (where e.mark is not null)
from event e left join lateral (
    select placement_no, send_id from serve v where v.tenant = e.tenant and v.recommendation_id = e.recommendation_id
        and (e.placement_no is null or e.campaign is null) order by v.served_at limit 1
) s on true
where e.tenant = :tenant and e.signal is not null and {which} group by 1, 2, 3, 4, 5
"""
_INTO = "insert into rollup_signal as r (tenant, day, signal, placement_no, campaign, count, machine) {rows} "
_ADDED = (
    "on conflict (tenant, day, signal, placement_no, campaign) "
    "do update set count = r.count + excluded.count, machine = r.machine + excluded.machine"
)
_COME = _INTO.format(rows=_SUMMED.format(which="e.received_at >= :start and e.received_at < :end")) + _ADDED
_SERVED = (
    _INTO.format(
        rows=f"""
select tenant, (served_at at time zone 'UTC')::date, {int(Signal.SERVE)}, coalesce(placement_no, 0), coalesce(send_id, ''), count(*), 0
from serve where tenant = :tenant and served_at >= :start and served_at < :end group by 1, 2, 4, 5
"""
    )
    + _ADDED
)
_DROP = f"delete from rollup_signal where tenant = :tenant and day >= :day and signal <> {int(Signal.SERVE)}"
_AGAIN = _INTO.format(
    rows=_SUMMED.format(
        which="e.occurred_at >= :start and e.received_at < :end and e.received_at >= cast(:start as timestamptz) - interval '1 day'"
    )
)


async def add(connection: AsyncConnection, tenant: int, start: datetime, end: datetime) -> None:
    """Add what came and what was served from `start` up to, not including, `end`."""
    for statement in (_COME, _SERVED):
        await connection.execute(text(statement), {"tenant": tenant, "start": start, "end": end})


async def again(connection: AsyncConnection, tenant: int, end: datetime) -> None:
    """Sum the last days up anew from what came before `end`: a click may be marked as a machine's long after it came."""
    day = (end.astimezone(UTC) - timedelta(days=_AGAIN_DAYS)).date()
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    await connection.execute(text(_DROP), {"tenant": tenant, "day": day})
    await connection.execute(text(_AGAIN), {"tenant": tenant, "start": start, "end": end})


async def forget(connection: AsyncConnection, tenant: int, before: datetime) -> None:
    """Delete what is older than a moment."""
    await connection.execute(text(_KEEP), {"tenant": tenant, "day": before.date()})
