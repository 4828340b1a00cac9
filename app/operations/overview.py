"""What was answered and what came in over time, out of the roll-ups."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from app.core.db import Database
from app.data.events.tail.service import LIVE
from app.data.kinds import KIND_NAMES
from app.operations.rollups import BOUNDS_US
from app.operations.schemas import Answers, ClientUse, EventCount, Overview, PlacementUse, Step
from app.serving.model.outcome import REASONS
from app.serving.path.rungs.order import numbered

_MOST_STEPS = 180
_KINDS = {int(kind): name for name, kind in KIND_NAMES.items()}
# each range of its own, so that a plan which knows no values reads no minutes of a whole month
_RANGE = "select * from {table} where tenant = :tenant and width = {width} and at >= :start and at < :end"
_LATE = " and at >= (select max(hours_until) from rollup_position where tenant = :tenant)"
_SUMS = "sum(answers)::bigint, sum(empty)::bigint, " + ", ".join(f"sum(latency[{place}])::bigint" for place in range(1, len(BOUNDS_US) + 2))
_WHERE = "from {rows} r where cast(:placement_no as int) is null or placement_no = :placement_no"
_AT = "to_timestamp(floor(extract(epoch from r.at) / :step) * :step)"
_STEPS = f"select {_AT}, rung, {_SUMS} {_WHERE} group by 1, 2"
_TOTALS = f"select placement_no, client_no, rung, reason, {_SUMS} {_WHERE} group by 1, 2, 3, 4"
_EVENTS = f"""
select {_AT}, coalesce(s.name, ''), r.kind, sum(r.events)::bigint
from {{rows}} r left join event_source s on s.tenant = r.tenant and s.source_no = r.source_no group by 1, 2, 3
"""
_GAUGES = f"select {_AT}, max(value) from {{rows}} r where series = 'apply_lag_s' group by 1"


def quantile(counts: Sequence[int], share: float) -> float | None:
    """Return a quantile of a histogram of latencies in milliseconds, interpolated within its bucket; None without any."""
    total = sum(counts)
    if not total:
        return None
    wanted, below = share * total, 0
    for place, count in enumerate(counts):
        if count and below + count >= wanted:
            low = 0 if place == 0 else BOUNDS_US[place - 1]
            high = BOUNDS_US[min(place, len(BOUNDS_US) - 1)]
            return (low + (high - low) * (wanted - below) / count) / 1000
        below += count
    return BOUNDS_US[-1] / 1000


async def overview(db: Database, tenant: int, start: datetime, end: datetime, placement: str = "") -> Overview:
    """Sum up a time by steps, at most some 180 of them: minutes for two days at most, else hours. An unknown placement has nothing."""
    width, step = _steps(start, end)
    names = {row[0]: row[1] for row in await db.rows("select placement_no, name from placement where tenant = :tenant", tenant=tenant)}
    clients = {
        row[0]: (row[1], row[2])
        for row in await db.rows("select client_no, client_id, name from client where tenant = :tenant", tenant=tenant)
    }
    number = next((no for no, name in names.items() if name == placement), -1) if placement else None
    asked: dict[str, Any] = {"tenant": tenant, "start": start, "end": end}

    serves_of, events_of, gauges_of = (_rows(table, width) for table in ("rollup_serve", "rollup_event", "rollup_gauge"))
    totals = await db.rows(_TOTALS.format(rows=serves_of), **asked, placement_no=number)
    serves = _grouped(await db.rows(_STEPS.format(rows=serves_of), **asked, step=step, placement_no=number))
    events = await db.rows(_EVENTS.format(rows=events_of), **asked, step=step)
    came = _grouped(events)
    lags = {row[0]: float(row[1]) for row in await db.rows(_GAUGES.format(rows=gauges_of), **asked, step=step)}
    moments = _moments(start, end, step)
    steps = [_step(at, serves.get(at, []), came.get(at, []), lags.get(at)) for at in moments]
    return Overview(
        start=start,
        end=end,
        step_s=step,
        steps=steps,
        answers=_answers(totals),
        placements=_by(totals, 0, lambda no, rows: PlacementUse(placement=names.get(no, ""), answers=_answers(rows))),
        clients=_by(
            totals,
            1,
            lambda no, rows: ClientUse(client_id=clients.get(no, ("", ""))[0], name=clients.get(no, ("", ""))[1], answers=_answers(rows)),
        ),
        events=_event_counts(events),
    )


def _steps(start: datetime, end: datetime) -> tuple[int, int]:
    span = (end - start).total_seconds()
    width = 60 if span <= 172_800 and start > datetime.now(UTC) - timedelta(days=13) else 3600
    step = width
    for factor in (1, 2, 5, 10, 15, 30, 60, 120, 240, 720, 1440):
        step = width * factor
        if span / step <= _MOST_STEPS:
            break
    return width, step


def _rows(table: str, width: int) -> str:
    """Return what is summed up by a width; hours that are not summed up yet come by the minute."""
    if width == 60:
        return f"({_RANGE.format(table=table, width=60)})"
    return f"({_RANGE.format(table=table, width=width)} union all {_RANGE.format(table=table, width=60)}{_LATE})"


def _moments(start: datetime, end: datetime, step: int) -> list[datetime]:
    first = int(start.timestamp() // step * step)
    return [datetime.fromtimestamp(at, UTC) for at in range(first, int(end.timestamp()), step)]


def _grouped(rows: Sequence[Any]) -> dict[datetime, list[Any]]:
    found: dict[datetime, list[Any]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(row)
    return found


def _latencies(rows: Sequence[Any], first: int) -> list[int]:
    return [sum(row[first + place] for row in rows) for place in range(len(BOUNDS_US) + 1)]


def _step(at: datetime, serves: Sequence[Any], events: Sequence[Any], lag: float | None) -> Step:
    rungs: dict[str, int] = {}
    for row in serves:
        rung = numbered(row[1])
        # a number that a newer release wrote
        name = rung.name if rung else f"rung {row[1]}"
        rungs[name] = rungs.get(name, 0) + row[2]
    counts = _latencies(serves, 4)
    return Step(
        at=at,
        rungs=rungs,
        p50_ms=quantile(counts, 0.5),
        p99_ms=quantile(counts, 0.99),
        events=sum(row[3] for row in events),
        event_kinds=_summed((_kind(row[2]), row[3]) for row in events),
        event_sources=_summed((row[1] or LIVE, row[3]) for row in events),
        apply_lag_s=lag,
    )


def _summed(rows: Iterable[tuple[str, int]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for name, count in rows:
        sums[name] = sums.get(name, 0) + count
    return sums


def _kind(number: int) -> str:
    # a number that a newer release wrote
    return _KINDS.get(number, f"kind {number}")


def _answers(rows: Sequence[Any]) -> Answers:
    counts = _latencies(rows, 6)
    total = sum(row[4] for row in rows)
    low = sum(row[4] for row in rows if (rung := numbered(row[2])) is None or rung.fallback)
    reasons: dict[str, int] = {}
    for row in rows:
        name = str(REASONS[row[3]]) if row[3] < len(REASONS) else f"reason {row[3]}"
        if name:
            reasons[name] = reasons.get(name, 0) + row[4]
    return Answers(
        count=total,
        empty=sum(row[5] for row in rows),
        fallback=low / total if total else None,
        p50_ms=quantile(counts, 0.5),
        p99_ms=quantile(counts, 0.99),
        reasons=dict(sorted(reasons.items(), key=lambda one: -one[1])),
    )


def _by(rows: Sequence[Any], place: int, made: Any) -> list[Any]:
    groups: dict[int, list[Any]] = {}
    for row in rows:
        groups.setdefault(row[place], []).append(row)
    found = [made(number, group) for number, group in groups.items()]
    return sorted(found, key=lambda one: -one.answers.count)


def _event_counts(rows: Sequence[Any]) -> list[EventCount]:
    sums: dict[tuple[str, int], int] = {}
    for _, source, kind, count in rows:
        sums[source, kind] = sums.get((source, kind), 0) + count
    found = [EventCount(source=source, kind=_kind(kind), count=count) for (source, kind), count in sums.items()]
    return sorted(found, key=lambda one: -one.count)
