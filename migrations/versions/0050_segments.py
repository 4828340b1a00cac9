"""Facts of people beside their states, segments, who is in them, who came and went, and when somebody is due although nothing happens."""

from alembic import op

revision = "0050"
down_revision = "0040"

UP = """
alter table person_state add column facts bytea not null default '';
drop index person_state_shard;
create index person_state_shard on person_state (tenant, shard, person_no);
create table fact_edges (
    tenant smallint primary key references tenant,
    edges jsonb not null,
    computed_at timestamptz not null default now()
);
create table segment (
    tenant smallint not null references tenant,
    segment_no int generated always as identity,
    name text not null check (name ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    published int,
    primary key (tenant, segment_no),
    unique (tenant, name)
);
create table segment_version (
    tenant smallint not null,
    segment_no int not null,
    version int not null,
    document jsonb not null,
    created_at timestamptz not null default now(),
    published_at timestamptz,
    primary key (tenant, segment_no, version),
    foreign key (tenant, segment_no) references segment (tenant, segment_no)
);
create table segment_member (
    tenant smallint not null,
    segment_no int not null,
    person_no bigint not null,
    since timestamptz not null,
    primary key (tenant, segment_no, person_no)
);
create index segment_member_person on segment_member (tenant, person_no, segment_no);
create table segment_listed (
    tenant smallint not null,
    segment_no int not null,
    person_no bigint not null,
    primary key (tenant, segment_no, person_no)
);
create index segment_listed_person on segment_listed (tenant, person_no, segment_no);
create table segment_move (
    tenant smallint not null,
    move_no bigint generated always as identity,
    segment_no int not null,
    person_no bigint not null,
    entered boolean not null,
    at timestamptz not null,
    xid xid8 not null default pg_current_xact_id(),
    primary key (tenant, move_no)
);
create index segment_move_segment on segment_move (tenant, segment_no, move_no);
create index segment_move_person on segment_move (tenant, person_no, move_no);
create table segment_size (
    tenant smallint not null,
    segment_no int not null,
    at timestamptz not null,
    size bigint not null,
    primary key (tenant, segment_no, at)
);
create table segment_state (
    tenant smallint primary key references tenant,
    judged jsonb not null default '{}',
    edges_at timestamptz
);
create table person_due (
    tenant smallint not null,
    person_no bigint not null,
    due_at timestamptz not null,
    primary key (tenant, person_no)
);
create index person_due_at on person_due (tenant, due_at, person_no)
"""
TABLES = ("person_due", "segment_state", "segment_size", "segment_move", "segment_listed", "segment_member", "segment_version", "segment",
          "fact_edges")  # fmt: skip


def upgrade() -> None:
    for statement in UP.split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"drop table {table}")
    op.execute("drop index person_state_shard")
    op.execute("create index person_state_shard on person_state (tenant, shard)")
    op.execute("alter table person_state drop column facts")
