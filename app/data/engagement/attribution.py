"""Which answer brought an order about: the last one the person clicked in the days before.

What is stored is a function of the set of events and of the groups of people: each order is decided anew whenever one of its rows, a touch
before it or the group of its person changes, so neither order nor repetition of messages matter.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.db import Database, driver
from app.core.settings import Settings
from app.data.engagement import store
from app.data.kinds import Kind, Signal
from app.data.profiles.orders import CANCEL, CONCERNED, PURCHASE, TELLING

TOUCHES = {int(Signal.CLICK): "click", int(Signal.OPEN): "open", int(Signal.IMPRESSION): "impression"}
EVER = datetime(1970, 1, 1, tzinfo=UTC)
_PEOPLE_AT_ONCE = 1_000
# An order without an id is known by its message. One that several ids of a person told is counted once, as told first. Of several
# tellings of one order the one with the most pieces of an item counts, less what was returned (`app.data.profiles.orders`). The people
# asked for bring those whose orders are owed to a touch of theirs: a touch may have left the group.
_ATTRIBUTE = f"""
with asked as (
    select * from unnest($2::bigint[], $3::timestamptz[]) v(person_no, since)
    union all
    select a.person_no, v.since from unnest($2::bigint[], $3::timestamptz[]) v(person_no, since)
    join attribution a on a.tenant = $1 and a.touch_person_no = v.person_no
), roots as (
    select p.root_no, min(a.since) as since from asked a join person p on p.tenant = $1 and p.person_no = a.person_no group by 1
), members as materialized (
    select p.person_no, p.root_no, r.since from roots r join person p on p.tenant = $1 and p.root_no = r.root_no
), told as materialized (
    select m.root_no, m.since, e.person_no, e.message_id, e.occurred_at, e.kind, coalesce(e.group_no, 0) as group_no,
        coalesce(e.value, 0)::float8 as price, coalesce(e.quantity, 1)::float8 as pieces, {TELLING} as telling,
        coalesce(e.order_key, ('x' || encode(substr(e.message_id, 1, 8), 'hex'))::bit(64)::bigint) as order_key
    from members m join event e on e.tenant = $1 and e.person_no = m.person_no
    where e.kind in {CONCERNED} and e.mark is null
), tellings as (
    select root_no, order_key, group_no, sum(pieces) as pieces, sum(price * pieces) as value, min(occurred_at) as at, telling
    from told where kind = {PURCHASE} group by root_no, order_key, group_no, telling
), lines as (
    select distinct on (root_no, order_key, group_no) * from tellings order by root_no, order_key, group_no, pieces desc, at, telling
), back as (
    select root_no, order_key, group_no, bool_or(kind = {CANCEL}) as whole, sum(pieces) as pieces from told where kind < 0 group by 1, 2, 3
), kept as (
    select l.root_no, l.order_key, coalesce(array_agg(l.group_no) filter (where l.group_no <> 0), '{{}}') as groups,
        sum(case when b.pieces is null then l.value else l.value * (l.pieces - b.pieces) / l.pieces end) as value
    from lines l left join back b using (root_no, order_key, group_no)
    where (b.pieces is null or l.pieces > b.pieces) and not exists (
        select from back c where c.root_no = l.root_no and c.order_key = l.order_key and c.whole)
    group by 1, 2
), each as (
    select root_no, person_no, order_key, min(occurred_at) as ordered_at, (array_agg(message_id order by message_id))[1] as order_message
    from told where kind = {PURCHASE} group by 1, 2, 3
), newest as (
    select root_no, order_key, max(since) as since, max(occurred_at) as at from told group by 1, 2
), orders as materialized (
    select e.* from each e join newest n using (root_no, order_key) where n.at >= n.since
), owed as materialized (
    select o.*, t.*, s.position, coalesce(t.own_placement, s.placement_no) as placement_no, coalesce(t.own_campaign, s.send_id) as campaign,
        case when t.touched_group is not null then t.touched_group = any(o.groups) else exists (
            select from item i where i.tenant = $1 and i.item_no = any(s.items) and i.group_no = any(o.groups)) end as item_bought
    from (
        select distinct on (r.root_no, r.order_key) r.*, k.value, k.groups from orders r
        join kept k on k.root_no = r.root_no and k.order_key = r.order_key
        order by r.root_no, r.order_key, r.ordered_at, r.order_message
    ) o
    cross join lateral (
        select e.signal as touch, e.message_id as touch_message, e.occurred_at as touched_at, e.person_no as touch_person_no,
            e.recommendation_id, e.item_no, e.group_no as touched_group, e.placement_no as own_placement, e.campaign as own_campaign
        from members m join event e on e.tenant = $1 and e.person_no = m.person_no
        where m.root_no = o.root_no and e.signal = any($5::smallint[]) and e.mark is null and e.recommendation_id is not null
            and e.occurred_at <= o.ordered_at and e.occurred_at >= o.ordered_at - $4::interval
        order by e.signal = {int(Signal.CLICK)} desc, e.occurred_at desc, e.recommendation_id, e.message_id limit 1
    ) t
    left join lateral (
        select v.placement_no, v.send_id, v.items, array_position(v.items, t.item_no) as position from serve v
        where v.tenant = $1 and v.recommendation_id = t.recommendation_id order by v.served_at limit 1
    ) s on true
), gone as (
    delete from attribution a using orders o
    where a.tenant = $1 and a.person_no = o.person_no and a.order_key = o.order_key
        and not exists (select from owed w where w.person_no = o.person_no and w.order_key = o.order_key)
)
insert into attribution as a (tenant, COLUMNS) select $1, COLUMNS from owed
on conflict (tenant, person_no, order_key) do update set (COLUMNS) = row(EXCLUDED), attributed_at = now()
where (A_COLUMNS) is distinct from (EXCLUDED)
"""
COLUMNS = (
    "person_no", "order_key", "order_message", "ordered_at", "value", "touch", "touch_message", "touched_at", "touch_person_no",
    "recommendation_id", "placement_no", "campaign", "item_no", "position", "item_bought",
)  # fmt: skip
_STATEMENT = (
    _ATTRIBUTE.replace("A_COLUMNS", ", ".join(f"a.{name}" for name in COLUMNS))
    .replace("EXCLUDED", ", ".join(f"excluded.{name}" for name in COLUMNS))
    .replace("COLUMNS", ", ".join(COLUMNS))
)
_BUYERS = f"""
select distinct person_no from event where tenant = :tenant and kind = {int(Kind.PURCHASE)} and occurred_at >= :since
and person_no > :after order by person_no limit {_PEOPLE_AT_ONCE}
"""


async def attribute(connection: AsyncConnection, settings: Settings, tenant: int, since: Mapping[int, datetime]) -> int:
    """Decide the orders of people again, each person's from a moment on; return how many rows are new or other than before.

    The caller holds `store.own`.
    """
    if not since:
        return 0
    touches = list(TOUCHES) if settings.attribution_seen else [int(Signal.CLICK)]
    window: Any = timedelta(days=settings.attribution_days)
    done = await (await driver(connection)).execute(_STATEMENT, tenant, list(since), list(since.values()), window, touches)
    return int(done.split()[-1])


async def attribute_since(db: Database, settings: Settings, tenant: int, since: datetime) -> tuple[int, int]:
    """Decide all orders from a moment on again; return the people with such orders and the rows that changed."""
    after, people, changed = -1, 0, 0
    while found := [row[0] for row in await db.rows(_BUYERS, tenant=tenant, since=since, after=after)]:
        async with db.begin() as connection:
            await store.own(connection, tenant)
            changed += await attribute(connection, settings, tenant, dict.fromkeys(found, since))
        after, people = found[-1], people + len(found)
    return people, changed
