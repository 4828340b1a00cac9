"""Signals day by day, out of the sums: counts with their denominators, machines apart, by placement and campaign."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from app.access.deps import PROTECTED, problems, require
from app.access.domain import Principal, Scope
from app.core.db import Database
from app.core.errors import Invalid, NotFound
from app.core.outage import or_unavailable
from app.core.resources import Db
from app.data.engagement.schemas import Rates
from app.data.kinds import Signal
from app.operations.schemas import SignalDay, SignalGroup, SignalSeries

router = APIRouter(prefix="/v1/admin/signals", tags=["signals"], responses={**PROTECTED, **problems(404, 422, 503)})
Reader = Annotated[Principal, Depends(require(Scope.ADMIN_READ))]
Name = Annotated[str, Query(max_length=255, pattern=r"^[^\x00]*$")]
DAYS, LONGEST_DAYS, MOST_GROUPS = 30, 400, 50
_FITTING = (
    "tenant = :tenant and day >= :first and day <= :last and (cast(:placement_no as int) is null or placement_no = :placement_no) "
    "and (:campaign = '' or campaign = :campaign)"
)
_OF_PLACEMENTS = (
    "r.tenant = :tenant and r.day >= :first and r.day <= :last "
    "and (cast(:placement_no as int) is null or r.placement_no = :placement_no) and (:campaign = '' or r.campaign = :campaign)"
)
_DAYS = f"select day, signal, sum(count)::bigint, sum(machine)::bigint from rollup_signal where {_FITTING} group by 1, 2"
_PLACEMENTS = f"""
select p.name, r.signal, sum(r.count)::bigint, sum(r.machine)::bigint from rollup_signal r
join placement p on p.tenant = r.tenant and p.placement_no = r.placement_no
where {_OF_PLACEMENTS} group by 1, 2
"""
_CAMPAIGNS = f"""
with sums as materialized (
    select campaign, signal, sum(count)::bigint as count, sum(machine)::bigint as machine from rollup_signal
    where {_FITTING} and campaign <> '' group by 1, 2
)
select campaign, signal, count, machine from sums join (
    select campaign from sums group by 1 order by sum(count) desc, 1 limit {MOST_GROUPS}
) most using (campaign)
"""
_ORDERS = """
select (ordered_at at time zone 'UTC')::date, coalesce(p.name, ''), coalesce(a.campaign, ''), count(*),
    coalesce(sum(a.value), 0)::float8
from attribution a left join placement p on p.tenant = a.tenant and p.placement_no = a.placement_no
where a.tenant = :tenant and a.ordered_at >= :start and a.ordered_at < :end
    and (cast(:placement_no as int) is null or a.placement_no = :placement_no)
    and (:campaign = '' or a.campaign = :campaign) group by 1, 2, 3
"""


@router.get("/series")
async def get_signal_series(
    db: Db, caller: Reader, placement: Name = "", campaign: Name = "",
    since: Annotated[date | None, Query(alias="from", description="The first day (UTC); default: 29 days before the last.")] = None,
    until: Annotated[date | None, Query(alias="to", description="The last day (UTC), included; default: today.")] = None,
) -> SignalSeries:  # fmt: skip
    """Count signals and orders by day, placement and campaign; the last minute or two and marks of the last hour are not in it yet."""
    last = until or datetime.now(UTC).date()
    try:
        first = since or last - timedelta(days=DAYS - 1)
    except OverflowError:
        first = last
    if not 0 <= (last - first).days < LONGEST_DAYS or last.year >= 9999:
        raise Invalid(f"`from` is not after `to`, and no more than {LONGEST_DAYS} days before.")
    with or_unavailable("Signals cannot be read now; try again."):
        return await series(db, caller.tenant, first, last, placement, campaign)


async def series(db: Database, tenant: int, first: date, last: date, placement: str = "", campaign: str = "") -> SignalSeries:
    """Return signals by day from `first` to `last`, both included; raises NotFound for an unknown placement."""
    number = None
    if placement:
        rows = await db.rows("select placement_no from placement where tenant = :tenant and name = :name", tenant=tenant, name=placement)
        if not rows:
            raise NotFound("There is no placement of this name.")
        number = rows[0][0]
    asked = {"tenant": tenant, "placement_no": number, "campaign": campaign}
    days = {"first": first, "last": last}
    moments = {"start": _midnight(first), "end": _midnight(last + timedelta(days=1))}
    daily = await db.rows(_DAYS, **asked, **days)
    orders = await db.rows(_ORDERS, **asked, **moments)
    by_placement = await db.rows(_PLACEMENTS, **asked, **days)
    by_campaign = await db.rows(_CAMPAIGNS, **asked, **days)
    span = [first + timedelta(days=step) for step in range((last - first).days + 1)]
    known: dict[date, list[Any]] = {}
    for row in daily:
        known.setdefault(row[0], []).append(row)
    totals = _group("", daily, orders)
    return SignalSeries(
        first=first, last=last, placement=placement, campaign=campaign, total=totals,
        days=[SignalDay(day=day, **_counted(known.get(day, ()), [one for one in orders if one[0] == day])) for day in span],
        placements=_groups(by_placement, orders, 1), campaigns=_groups(by_campaign, orders, 2),
    )  # fmt: skip


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _groups(rows: Sequence[Any], orders: Sequence[Any], place: int) -> list[SignalGroup]:
    named: dict[str, list[Any]] = {}
    for row in rows:
        named.setdefault(row[0], []).append(row)
    groups = [_group(name, found, [one for one in orders if one[place] == name]) for name, found in named.items()]
    return sorted(groups, key=lambda one: (-sum(one.counts.values()), one.name))[:MOST_GROUPS]


def _group(name: str, rows: Sequence[Any], orders: Sequence[Any]) -> SignalGroup:
    counted = _counted(rows, orders)
    return SignalGroup(name=name, rates=rates(counted["counts"], counted["revenue"]), **counted)


def _counted(rows: Sequence[Any], orders: Sequence[Any]) -> dict[str, Any]:
    counts = {signal.name.lower(): 0 for signal in Signal}
    machines = dict(counts)
    for _, number, count, machine in rows:
        # a number that a newer release wrote
        name = _NAMES.get(number, f"signal {number}")
        counts[name] = counts.get(name, 0) + count
        machines[name] = machines.get(name, 0) + machine
    counts["conversion"] += sum(one[3] for one in orders)
    return {
        "counts": counts,
        "machines": {name: count for name, count in machines.items() if count},
        "revenue": float(sum(one[4] for one in orders)),
    }


_NAMES = {int(signal): signal.name.lower() for signal in Signal}


def rates(counts: dict[str, int], revenue: float) -> Rates:
    """Return counts over each other; None where the denominator is 0."""

    def over(part: float, whole: int) -> float | None:
        return part / whole if whole else None

    delivered, served = counts["delivered"], counts["serve"]
    return Rates(
        delivered_per_sent=over(delivered, counts["sent"]),
        bounced_per_sent=over(counts["bounce"], counts["sent"]),
        opened_per_delivered=over(counts["open"], delivered),
        clicked_per_delivered=over(counts["click"], delivered),
        clicked_per_opened=over(counts["click"], counts["open"]),
        unsubscribed_per_delivered=over(counts["unsubscribe"], delivered),
        complained_per_delivered=over(counts["complaint"], delivered),
        clicked_per_answer=over(counts["click"], served),
        orders_per_answer=over(counts["conversion"], served),
        revenue_per_answer=over(revenue, served),
    )
