"""What needs a human: each finding is one function that looks and says what to do."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from app.core.db import Database
from app.data.segments.programs import programs
from app.operations.schemas import Finding
from app.serving.path.rungs.order import RUNGS

_LOW = sorted({rung.number for rung in RUNGS if rung.fallback})
_GRAVITY = {"bad": 0, "warn": 1, "info": 2}
Look = Callable[[Database, int], Awaitable[list[Finding]]]


async def findings(db: Database, tenant: int) -> list[Finding]:
    """Return what needs a human, gravest first."""
    found = [finding for look in _LOOKS for finding in await look(db, tenant)]
    return sorted(found, key=lambda one: _GRAVITY[one.level])


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


async def _fallback(db: Database, tenant: int) -> list[Finding]:
    """The share of answers below a current list in the last day, against the two weeks before."""
    rows = await db.rows(
        "select at >= now() - interval '1 day', sum(answers)::bigint, sum(answers) filter (where rung = any(:low))::bigint "
        "from rollup_serve where tenant = :tenant and width = 3600 and at >= now() - interval '15 days' group by 1",
        tenant=tenant,
        low=_LOW,
    )
    shares = {recent: ((low or 0) / total, total) for recent, total, low in rows if total >= 200}
    if True not in shares or False not in shares:
        return []
    (now, total), (before, _) = shares[True], shares[False]
    if now < before + 0.1:
        return []
    return [
        Finding(
            code="fallback_up",
            level="bad" if now > 0.5 else "warn",
            title=f"{now:.0%} of answers were not personal in the last day",
            detail=f"It was {before:.0%} in the two weeks before, of {total:,} answers.",
            fix="Look at the reasons by placement: a missing model, consent, or people who are not known.",
            page="/health",
        )
    ]


async def _empty(db: Database, tenant: int) -> list[Finding]:
    rows = await db.rows(
        "select p.name, sum(r.empty)::bigint, sum(r.answers)::bigint from rollup_serve r "
        "join placement p on p.tenant = r.tenant and p.placement_no = r.placement_no where r.tenant = :tenant and r.width = 60 "
        "and r.at >= now() - interval '1 day' group by 1 having sum(r.empty) > 0 order by 2 desc limit 5",
        tenant=tenant,
    )
    return [
        Finding(
            code="empty",
            level="warn",
            title=f"{name} came out without any item {empty:,} times",
            detail=f"Of {total:,} answers in the last day; its fixed content stood in.",
            fix="Widen its filter, or name fixed items.",
            page=f"/placements/{name}",
        )
        for name, empty, total in rows
    ]


async def _late(db: Database, tenant: int) -> list[Finding]:
    rows = await db.rows(
        "select max(value) filter (where series = 'apply_lag_s'), max(value) filter (where series = 'probe_failing'), max(at) "
        "from rollup_gauge where tenant = :tenant and width = 60 and at >= now() - interval '10 minutes'",
        tenant=tenant,
    )
    lag, failing, at = rows[0]
    if at is None:
        known = await db.rows("select 1 from rollup_gauge where tenant = :tenant limit 1", tenant=tenant)
        return [_worker()] if known else []
    if (lag or 0) < 10 and not failing:
        return []
    return [
        Finding(
            code="events_late",
            level="bad",
            title=f"Events are {lag or 0:.0f} s late" if (lag or 0) >= 10 else "The probe's event did not become visible in time",
            detail="What people do reaches their profiles later than it should.",
            fix="See whether the worker runs, and whether Redis takes writes.",
            page="/health",
        )
    ]


def _worker() -> Finding:
    return Finding(
        code="worker_silent",
        level="bad",
        title="No worker has been heard of for ten minutes",
        detail="Events are stored, but profiles, roll-ups and prewarming stand still.",
        fix="Start `morsel worker`, or look at why it ends.",
        page="/health",
    )


async def _refused(db: Database, tenant: int) -> list[Finding]:
    rows = await db.rows(
        "select reason, count(*) from refused_event where tenant = :tenant and received_at >= now() - interval '1 day' group by 1 "
        "order by 2 desc limit 3",
        tenant=tenant,
    )
    return [
        Finding(
            code="refused",
            level="warn",
            title=f"{_count(count, 'event')} refused in the last day",
            detail=reason,
            fix="Put them right and replay them.",
            page="/events/refused",
        )
        for reason, count in rows
    ]


async def _shrunk(db: Database, tenant: int) -> list[Finding]:
    rows = await db.rows(
        "select file_name, landed + duplicate, started_at from import_run where tenant = :tenant and what = 'items' "
        "and finished_at is not null order by run_no desc limit 2",
        tenant=tenant,
    )
    if len(rows) < 2 or rows[0][0] != rows[1][0] or rows[0][1] >= 0.7 * rows[1][1]:
        return []
    return [
        Finding(
            code="feed_shrank",
            level="warn",
            title=f"{rows[0][0]} has {rows[0][1]:,} items, it had {rows[1][1]:,}",
            detail="A feed that loses a third of its items is often cut off.",
            fix="Look at the last import before anything is taken out of the catalogue.",
            page="/catalogue/imports",
        )
    ]


async def _models(db: Database, tenant: int) -> list[Finding]:
    live = await db.rows("select 1 from model_promotion where tenant = :tenant and undone_at is null limit 1", tenant=tenant)
    if not live:
        return [
            Finding(
                code="no_model",
                level="info",
                title="No model is live",
                detail="Everybody sees what is popular.",
                fix="Train one: `morsel train --promote`.",
                page="/models",
            )
        ]
    rows = await db.rows(
        "select n.recommender, n.version, m.version from (select distinct on (recommender) * from model "
        "where tenant = :tenant order by recommender, model_no desc) n "
        "join lateral (select model_no, promoted_at from model_promotion p where p.tenant = n.tenant and p.recommender = n.recommender "
        "and p.undone_at is null order by promotion_no desc limit 1) l on true "
        "join model m on m.tenant = n.tenant and m.model_no = l.model_no "
        "where n.model_no <> l.model_no and n.created_at > l.promoted_at",
        tenant=tenant,
    )
    return [
        Finding(
            code="model_waits",
            level="warn",
            title=f"A newer {name} is not live",
            detail=f"{newest} was trained after {live} became live, and was not promoted: it did worse, or nobody asked for it.",
            fix="Compare their metrics, and what people get from each.",
            page=f"/models/{name}/{newest}",
        )
        for name, newest, live in rows
    ]


async def _quiet(db: Database, tenant: int) -> list[Finding]:
    rows = await db.rows(
        "select max(at), sum(events) filter (where at >= now() - interval '8 days' and at < now() - interval '1 day')::bigint "
        "from rollup_event where tenant = :tenant and width = 3600",
        tenant=tenant,
    )
    newest, before = rows[0]
    if not before or newest is None or newest > datetime.now(UTC) - timedelta(hours=26):
        return []
    return [
        Finding(
            code="events_stopped",
            level="bad",
            title="No event has come for a day",
            detail=f"{before:,} came in the week before.",
            fix="See whether the shop's tracker and its keys still work.",
            page="/events",
        )
    ]


async def _unused(db: Database, tenant: int) -> list[Finding]:
    """Placements that were published a week ago and never asked for, once anything is asked for at all."""
    rows = await db.rows(
        "select p.name from placement p where p.tenant = :tenant and p.published is not null and not exists "
        "(select from rollup_serve r where r.tenant = p.tenant and r.placement_no = p.placement_no) "
        "and exists (select from audit a where a.tenant = p.tenant and a.kind = 'placement' and a.name = p.name "
        "and a.what = 'publish' and a.who <> 'morsel' and a.at < now() - interval '7 days') "
        "and exists (select from rollup_serve r where r.tenant = p.tenant and r.width = 3600) order by 1 limit 20",
        tenant=tenant,
    )
    names = [row[0] for row in rows]
    if not names:
        return []
    return [
        Finding(
            code="unused",
            level="info",
            title=f"{_count(len(names), 'placement')} never asked for",
            detail=", ".join(names),
            fix="Put them into a letter or a page, or delete them.",
            page="/placements",
        )
    ]


async def _segments(db: Database, tenant: int) -> list[Finding]:
    async with db.begin() as connection:
        program, _ = await programs(db).of(connection, tenant)
    return [
        Finding(
            code="segment_broken",
            level="bad",
            title=f"Nobody can be judged by the segment {name}",
            detail=why,
            fix="Mend its condition, or take it out of use.",
            page=f"/segments/{name}/edit",
        )
        for name, why in sorted(program.broken.items())
    ]


_LOOKS: tuple[Look, ...] = (_late, _quiet, _fallback, _empty, _refused, _shrunk, _models, _segments, _unused)
