"""Traits with the source that told them and its moment; changes of them that reach states in a line of their own."""

from alembic import op

revision = "0030"
down_revision = "0021"

# By name and source, the value and its moment in microseconds since 1970. What was kept so far, `identify` had told.
UP = """
update person set traits = coalesce((
    select jsonb_object_agg(key, jsonb_build_object('identify', jsonb_build_array(value,
        coalesce((extract(epoch from (traits_at ->> key)::timestamptz) * 1000000)::bigint, 0))))
    from jsonb_each(traits)), '{}') where traits <> '{}';
alter table person drop column traits_at;
alter table outbox drop constraint outbox_kind_check;
alter table outbox add constraint outbox_kind_check check (kind in ('consent', 'revocation', 'erasure', 'merge', 'traits'));
create index outbox_traits on outbox (tenant, outbox_no) where confirmed_at is null and kind = 'traits';
alter table import_run drop constraint import_run_what_check;
alter table import_run add constraint import_run_what_check check (what in ('items', 'events', 'traits'))
"""
DOWN = """
delete from import_run where what = 'traits';
alter table import_run drop constraint import_run_what_check;
alter table import_run add constraint import_run_what_check check (what in ('items', 'events'));
drop index outbox_traits;
delete from outbox where kind = 'traits';
alter table outbox drop constraint outbox_kind_check;
alter table outbox add constraint outbox_kind_check check (kind in ('consent', 'revocation', 'erasure', 'merge'));
alter table person add column traits_at jsonb not null default '{}';
update person p set traits = coalesce(n.traits, '{}'), traits_at = coalesce(n.at, '{}') from (
    select tenant, person_no, jsonb_object_agg(name, value) filter (where name is not null) as traits,
        jsonb_object_agg(name, timestamptz 'epoch' + at * interval '1 microsecond') filter (where name is not null) as at
    from (
        select distinct on (q.tenant, q.person_no, t.key) q.tenant, q.person_no, t.key as name, s.value -> 0 as value,
            (s.value ->> 1)::bigint as at
        from person q cross join lateral jsonb_each(q.traits) t cross join lateral jsonb_each(t.value) s
        where q.traits <> '{}' order by q.tenant, q.person_no, t.key, (s.value ->> 1)::bigint desc
    ) newest group by 1, 2
) n where p.tenant = n.tenant and p.person_no = n.person_no
"""


def upgrade() -> None:
    for statement in UP.split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    for statement in DOWN.split(";\n"):
        if statement.strip():
            op.execute(statement)
