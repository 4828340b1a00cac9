"""Merges: every id is a person of its own, links say which of them are one, and `root_no` names the group."""

from alembic import op

revision = "0005"
down_revision = "0004"

# `consent` holds for the whole group; `said` is what this id itself was told to say. People of before keep all ids they had.
MERGES = """
alter table person add column root_no bigint;
alter table person add column kind smallint not null default 1;
alter table person add column said smallint;
alter table person add column overruled_by bigint;
alter table person add column country_at timestamptz;
alter table person add column traits_at jsonb not null default '{}';
update person p set root_no = person_no, said = consent,
    kind = coalesce((select min(i.kind) from person_identity i where i.tenant = p.tenant and i.person_no = p.person_no), 1);
alter table person alter column root_no set not null;
create index person_root on person (tenant, root_no);

create table person_merge (
    tenant smallint not null,
    merge_no int generated always as identity,
    from_no bigint not null,
    to_no bigint not null,
    from_kind smallint not null,
    to_kind smallint not null,
    evidence smallint not null check (evidence in (1, 2)),
    occurred_at timestamptz not null,
    message_id bytea not null,
    created_at timestamptz not null default now(),
    undone_at timestamptz,
    primary key (tenant, from_no, to_no),
    unique (tenant, merge_no),
    foreign key (tenant, from_no) references person (tenant, person_no) on delete cascade,
    foreign key (tenant, to_no) references person (tenant, person_no) on delete cascade
);
create index person_merge_from on person_merge (tenant, from_no, to_kind, occurred_at, message_id) where undone_at is null;
create index person_merge_to on person_merge (tenant, to_no, from_kind, occurred_at, message_id) where undone_at is null;
"""


def upgrade() -> None:
    for statement in MERGES.split(";"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    op.execute("drop table person_merge")
    op.execute("drop index person_root")
    for column in ("root_no", "kind", "said", "overruled_by", "country_at", "traits_at"):
        op.execute(f"alter table person drop column {column}")
