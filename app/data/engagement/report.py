"""What became of content: how often each signal came, machines apart, and rates with their denominators."""

from datetime import datetime
from typing import Any

from app.core.db import Database
from app.core.errors import NotFound
from app.data.engagement.schemas import Rates, SignalCount, SignalReport
from app.data.events.machines import Mark
from app.data.kinds import Signal

# A signal that names an answer but no placement or campaign has those of the answer. It may have come a little before PostgreSQL's clock
# said so. Those without a mark are one group.
_SIGNALS = """
select e.signal, e.mark, count(*), count(distinct (
        case when e.person_no = 0 then encode(e.recommendation_id, 'hex') else coalesce(p.root_no, e.person_no)::text end,
        coalesce(e.campaign, s.send_id, '')
    )), count(distinct e.recommendation_id)
from event e
left join person p on p.tenant = e.tenant and p.person_no = e.person_no
left join lateral (
    select placement_no, send_id from serve v where v.tenant = e.tenant and v.recommendation_id = e.recommendation_id
        and (e.placement_no is null or e.campaign is null) order by v.served_at limit 1
) s on true
where e.tenant = :tenant and e.signal is not null and e.occurred_at >= :start and e.occurred_at < :end
    and e.received_at >= cast(:start as timestamptz) - interval '1 day'
    and (cast(:placement_no as int) is null or coalesce(e.placement_no, s.placement_no) = :placement_no)
    and (:campaign = '' or coalesce(e.campaign, s.send_id) = :campaign)
group by e.signal, e.mark
"""
_SERVES = """
select count(*), count(distinct recommendation_id) from serve
where tenant = :tenant and served_at >= :start and served_at < :end
    and (cast(:placement_no as int) is null or placement_no = :placement_no) and (:campaign = '' or send_id = :campaign)
"""
_ORDERS = """
select count(*), count(distinct recommendation_id), coalesce(sum(value), 0)::float8 from attribution
where tenant = :tenant and ordered_at >= :start and ordered_at < :end
    and (cast(:placement_no as int) is null or placement_no = :placement_no) and (:campaign = '' or campaign = :campaign)
"""


async def report(db: Database, tenant: int, start: datetime, end: datetime, placement: str = "", campaign: str = "") -> SignalReport:
    """Count signals from `start` up to, not including, `end`; empty names stand for all. Raises NotFound for an unknown placement."""
    asked = {
        "tenant": tenant, "start": start, "end": end, "campaign": campaign,
        "placement_no": await _placement_no(db, tenant, placement) if placement else None,
    }  # fmt: skip
    counts = {signal: SignalCount(signal=signal.name.lower(), count=0, unique=0, answers=0, machine=0) for signal in Signal}
    machines: dict[str, int] = {}
    for number, mark, count, unique, answers in await db.rows(_SIGNALS, **asked):
        one = counts[Signal(number)]
        if mark is None:
            one.count, one.unique, one.answers = count, unique, answers
        else:
            one.machine += count
            reason = Mark(mark).reason
            machines[reason] = machines.get(reason, 0) + count
    served = counts[Signal.SERVE]
    served.count, served.unique = (await db.rows(_SERVES, **asked))[0]
    served.answers = served.unique
    orders = counts[Signal.CONVERSION]
    orders.count, orders.answers, revenue = (await db.rows(_ORDERS, **asked))[0]
    orders.unique = orders.count
    return SignalReport(
        start=start, end=end, placement=placement, campaign=campaign, signals=list(counts.values()), machines=machines,
        rates=_rates(counts, revenue), revenue=revenue,
    )  # fmt: skip


def _rates(counts: dict[Signal, SignalCount], revenue: float) -> Rates:
    unique = {signal: float(one.unique) for signal, one in counts.items()}
    delivered, served = unique[Signal.DELIVERED], unique[Signal.SERVE]
    return Rates(
        delivered_per_sent=_over(delivered, unique[Signal.SENT]),
        bounced_per_sent=_over(unique[Signal.BOUNCE], unique[Signal.SENT]),
        opened_per_delivered=_over(unique[Signal.OPEN], delivered),
        clicked_per_delivered=_over(unique[Signal.CLICK], delivered),
        clicked_per_opened=_over(unique[Signal.CLICK], unique[Signal.OPEN]),
        unsubscribed_per_delivered=_over(unique[Signal.UNSUBSCRIBE], delivered),
        complained_per_delivered=_over(unique[Signal.COMPLAINT], delivered),
        clicked_per_answer=_over(float(counts[Signal.CLICK].answers), served),
        orders_per_answer=_over(unique[Signal.CONVERSION], served),
        revenue_per_answer=_over(revenue, served),
    )


def _over(part: float, whole: float) -> float | None:
    return part / whole if whole else None


async def _placement_no(db: Database, tenant: int, name: str) -> Any:
    rows = await db.rows("select placement_no from placement where tenant = :tenant and name = :name", tenant=tenant, name=name)
    if not rows:
        raise NotFound("There is no placement of this name.")
    return rows[0][0]
