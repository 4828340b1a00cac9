"""Answers by person, ids by prefix, and signals summed up by day."""

from alembic import op

revision = "0021"
down_revision = "0020"

# Only what was received before the sums' position is filled in: the worker goes on from there. Where nothing was ever summed up,
# it begins two weeks back, as it would by itself.
UP = """
create index serve_person on serve (tenant, person_no, served_at desc) where person_no is not null;
create index person_identity_value on person_identity (tenant, (value collate "C"));
create table rollup_signal (
    tenant smallint not null references tenant,
    day date not null,
    signal smallint not null,
    placement_no int not null,
    campaign text not null,
    count bigint not null,
    machine bigint not null,
    primary key (tenant, day, signal, placement_no, campaign)
);
insert into rollup_position (tenant, minutes_until, hours_until)
select t.tenant, at, date_trunc('hour', at) from tenant t, (select date_trunc('minute', now() - interval '14 days') as at) start
where exists (select from event e where e.tenant = t.tenant limit 1) on conflict do nothing;
insert into rollup_signal (tenant, day, signal, placement_no, campaign, count, machine)
select e.tenant, (e.occurred_at at time zone 'UTC')::date, e.signal, coalesce(e.placement_no, s.placement_no, 0),
    coalesce(e.campaign, s.send_id, ''), count(*) filter (where e.mark is null), count(*) filter (where e.mark is not null)
from event e
join rollup_position r on r.tenant = e.tenant and e.received_at < r.minutes_until
left join lateral (
    select placement_no, send_id from serve v where v.tenant = e.tenant and v.recommendation_id = e.recommendation_id
        and (e.placement_no is null or e.campaign is null) order by v.served_at limit 1
) s on true
where e.signal is not null group by 1, 2, 3, 4, 5;
insert into rollup_signal (tenant, day, signal, placement_no, campaign, count, machine)
select v.tenant, (v.served_at at time zone 'UTC')::date, 6, coalesce(v.placement_no, 0), coalesce(v.send_id, ''), count(*), 0
from serve v join rollup_position r on r.tenant = v.tenant and v.served_at < r.minutes_until group by 1, 2, 3, 4, 5
"""


def upgrade() -> None:
    for statement in UP.split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    op.execute("drop table rollup_signal")
    op.execute("drop index person_identity_value")
    op.execute("drop index serve_person")
