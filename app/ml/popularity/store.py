"""SQL of the popular lists."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.data.kinds import Kind

# What a person did to a group on one day counts once a kind. What anybody can tell by a public key is kept apart, and its orders
# and returns are left out: the shop itself tells these.
_KEPT = f"""
create temporary table popular_kept on commit drop as
with back as materialized (
    select p.root_no, e.order_key, coalesce(i.group_no, e.group_no) as group_no, sum(e.quantity) as quantity, max(e.occurred_at) as at
    from event e join person p on p.tenant = e.tenant and p.person_no = e.person_no
    left join item i on i.tenant = e.tenant and i.item_no = e.item_no
    where e.tenant = :tenant and e.kind in ({int(Kind.RETURN)}, {int(Kind.ORDER_CANCEL)}) and e.mark is null and not e.public
      and e.occurred_at < :now
    group by 1, 2, 3
),
kept as (
    select distinct p.root_no, coalesce(i.group_no, e.group_no) as group_no, e.kind, date_trunc('day', e.occurred_at) as day, e.public
    from event e join person p on p.tenant = e.tenant and p.person_no = e.person_no
    left join item i on i.tenant = e.tenant and i.item_no = e.item_no
    where e.tenant = :tenant and e.kind > 0 and e.group_no is not null and e.mark is null
      and e.occurred_at < :now and e.occurred_at >= :now - make_interval(days => :window_days)
      and coalesce(p.consent, :default_consent) <> 0
      and (e.kind <> {int(Kind.PURCHASE)} or (not e.public
          and not exists (select from back b where b.root_no = p.root_no and b.order_key = e.order_key
              and (b.group_no is null or (b.group_no = coalesce(i.group_no, e.group_no) and b.quantity >= e.quantity)))
          and not exists (select from back b where b.order_key is null and b.root_no = p.root_no
              and b.group_no = coalesce(i.group_no, e.group_no)
              and b.at >= e.occurred_at and b.quantity >= e.quantity)))
),
home as (
    select distinct on (root_no) root_no, country from person where tenant = :tenant and coalesce(country, '') <> ''
    and (country_at is null or country_at < :told)
    order by root_no, country_at desc nulls last, country desc
)
select k.*, coalesce(h.country, '') as country from kept k left join home h using (root_no)
"""
# Weights of the event kinds, weakest first.
_WEIGHTED = """
create temporary table popular_weight on commit drop as
select group_no, country, coalesce(sum(weight) filter (where not public), 0) as weight,
       coalesce(sum(weight) filter (where public), 0) as public_weight
from (
    select group_no, country, public, ((cast(:weights as float8[]))[kind + 1]
        * exp(-ln(2) * extract(epoch from :now - day) / 86400 / :half_life_days))::float8 as weight
    from popular_kept
) each_day
group by 1, 2
"""
_GROUPS = """
create temporary table popular_group on commit drop as
with total as (
    select group_no, sum(weight) as weight, sum(public_weight) as public_weight from popular_weight group by group_no
)
select i.group_no, (array_agg(i.category order by i.item_no))[1] as category, max(i.created_at) as newest,
       coalesce(max(t.weight), 0) as weight, coalesce(max(t.public_weight), 0) as public_weight
from item i left join total t on t.group_no = i.group_no
where i.tenant = :tenant and i.available and not i.absent group by i.group_no
"""
# The same by segment, of segments that answers may name and that enough of the people told of are in.
_BY_SEGMENT = """
create temporary table popular_segment on commit drop as
with large as (
    select m.segment_no, s.name from segment s join segment_member m using (tenant, segment_no)
    where s.tenant = :tenant and s.published is not null
      and exists (select from popular_kept k where k.root_no = m.person_no and not k.public)
    group by 1, 2 having count(*) >= :least_people order by count(*) desc, s.name limit :most_lists
),
each_day as (
    select l.name, k.group_no, k.public, ((cast(:weights as float8[]))[k.kind + 1]
        * exp(-ln(2) * extract(epoch from :now - k.day) / 86400 / :half_life_days))::float8 as weight
    from large l join segment_member m on m.tenant = :tenant and m.segment_no = l.segment_no
    join popular_kept k on k.root_no = m.person_no
)
select name, group_no, coalesce(sum(weight) filter (where not public), 0) as weight,
       coalesce(sum(weight) filter (where public), 0) as public_weight
from each_day group by 1, 2
"""
# Ties, and groups without events, follow by what public keys told, then with the newest first.
_LISTS = """
with known_country as (
    select country from popular_kept where country <> '' and not public
    group by 1 having count(distinct root_no) >= :least_people order by count(distinct root_no) desc, country limit :most_lists
),
largest_category as (
    select category from popular_group where category <> '' group by 1 order by sum(weight) desc, count(*) desc, category limit :most_lists
)
insert into popular_list (tenant, segment, groups, scores, computed_at)
select :tenant, segment, array_agg(group_no order by place), array_agg(weight::real order by place), :told
from (
    select segment, group_no, weight,
           row_number() over (partition by segment order by weight desc, public_weight desc, newest desc, group_no desc) as place
    from (
        select '' as segment, group_no, weight, public_weight, newest from popular_group
        union all
        select 'category:' || category, group_no, weight, public_weight, newest from popular_group join largest_category using (category)
        union all
        select 'country:' || w.country, g.group_no, sum(w.weight), sum(w.public_weight), g.newest
        from popular_weight w join popular_group g using (group_no) join known_country using (country) group by 1, 2, 5
        union all
        select 'segment:' || s.name, g.group_no, s.weight, s.public_weight, g.newest
        from popular_segment s join popular_group g using (group_no)
    ) every_segment
) placed
where place <= :most
group by segment
"""


# The shop's own, where there are any: one event by a public key must not make three years old data 180 days too old.
_NEWEST = """
select coalesce(max(occurred_at) filter (where not public), max(occurred_at)) from event
where tenant = :tenant and kind > 0 and group_no is not null and mark is null and occurred_at < :now
"""
_STALE, _INSTANT = timedelta(days=1), timedelta(microseconds=1)


async def moment(connection: AsyncConnection, tenant: int, now: datetime) -> datetime:
    """Return the moment that ages count from: now, or the end of events that ended more than a day ago, as training takes it."""
    newest: datetime | None = await connection.scalar(text(_NEWEST), {"tenant": tenant, "now": now})
    return newest + _INSTANT if newest is not None and newest < now - _STALE else now


async def refresh(connection: AsyncConnection, tenant: int, now: datetime, **values: Any) -> int:
    """Replace the lists of a tenant; return how many there are."""
    everything = {"tenant": tenant, "now": now, **values}
    await connection.execute(text("drop table if exists popular_kept, popular_weight, popular_segment, popular_group"))
    await connection.execute(text(_KEPT), everything)
    await connection.execute(text(_WEIGHTED), everything)
    await connection.execute(text("create index on popular_kept (root_no)"))
    await connection.execute(text(_BY_SEGMENT), everything)
    await connection.execute(text(_GROUPS), {"tenant": tenant})
    await connection.execute(text("delete from popular_list where tenant = :tenant"), {"tenant": tenant})
    return (await connection.execute(text(_LISTS), everything)).rowcount


async def lists(connection: AsyncConnection, tenant: int) -> list[Row[Any]]:
    """Return segment, groups, scores and computed_at of every list."""
    statement = text("select segment, groups, scores, computed_at from popular_list where tenant = :tenant order by segment")
    return list(await connection.execute(statement, {"tenant": tenant}))
