"""SQL of the popular lists."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

# Weights of the event kinds, weakest first; what a person did to a group on one day counts once a kind.
_WEIGHTED = """
create temporary table popular_weight on commit drop as
with kept as (
    select distinct p.root_no, e.group_no, e.kind, date_trunc('day', e.occurred_at) as day
    from event e join person p on p.tenant = e.tenant and p.person_no = e.person_no
    where e.tenant = :tenant and e.kind > 0 and e.group_no is not null and e.mark is null
      and e.occurred_at < :now and e.occurred_at >= :now - make_interval(days => :window_days)
      and coalesce(p.consent, :default_consent) <> 0
),
home as (
    select distinct on (root_no) root_no, country from person where tenant = :tenant and coalesce(country, '') <> ''
    order by root_no, country_at desc nulls last, country desc
)
select k.group_no, coalesce(h.country, '') as country,
       sum((cast(:weights as float8[]))[k.kind + 1]
           * exp(-ln(2) * extract(epoch from :now - k.day) / 86400 / :half_life_days))::float8 as weight
from kept k left join home h using (root_no)
group by 1, 2
"""
_GROUPS = """
create temporary table popular_group on commit drop as
with total as (select group_no, sum(weight) as weight from popular_weight group by group_no)
select i.group_no, (array_agg(i.category order by i.item_no))[1] as category, max(i.created_at) as newest,
       coalesce(max(t.weight), 0) as weight
from item i left join total t on t.group_no = i.group_no
where i.tenant = :tenant and i.available and not i.absent group by i.group_no
"""
# Ties, and groups without events, follow with the newest first.
_LISTS = """
insert into popular_list (tenant, segment, groups, scores, computed_at)
select :tenant, segment, array_agg(group_no order by place), array_agg(weight::real order by place), :now
from (
    select segment, group_no, weight,
           row_number() over (partition by segment order by weight desc, newest desc, group_no desc) as place
    from (
        select '' as segment, group_no, weight, newest from popular_group
        union all
        select 'category:' || category, group_no, weight, newest from popular_group where category <> ''
        union all
        select 'country:' || w.country, g.group_no, sum(w.weight), g.newest
        from popular_weight w join popular_group g using (group_no) where w.country <> '' group by 1, 2, 4
    ) every_segment
) placed
where place <= :most
group by segment
"""


async def refresh(connection: AsyncConnection, tenant: int, now: datetime, **values: Any) -> int:
    """Replace the lists of a tenant; return how many there are."""
    everything = {"tenant": tenant, "now": now, **values}
    await connection.execute(text("drop table if exists popular_weight, popular_group"))
    await connection.execute(text(_WEIGHTED), everything)
    await connection.execute(text(_GROUPS), {"tenant": tenant})
    await connection.execute(text("delete from popular_list where tenant = :tenant"), {"tenant": tenant})
    return (await connection.execute(text(_LISTS), {"tenant": tenant, "now": now, "most": values["most"]})).rowcount


async def lists(connection: AsyncConnection, tenant: int) -> list[Row[Any]]:
    """Return segment, groups, scores and computed_at of every list."""
    statement = text("select segment, groups, scores, computed_at from popular_list where tenant = :tenant order by segment")
    return list(await connection.execute(statement, {"tenant": tenant}))
