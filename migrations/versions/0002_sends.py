"""Sends: what was announced, who it goes to, how far prewarming is; and what a server process can carry."""

from alembic import op

revision = "0002"
down_revision = "0001"

SENDS = """
create table send (
    tenant smallint not null references tenant,
    send_no int generated always as identity,
    name text not null default '',
    placement text not null,
    start_at timestamptz not null,
    duration_s int not null check (duration_s > 0),
    everyone boolean not null,
    status text not null default 'waiting' check (status in ('waiting', 'warming', 'warm', 'over', 'cancelled')),
    note text not null default '',
    created_at timestamptz not null default now(),
    given bigint not null default 0,
    duplicate bigint not null default 0,
    unreadable bigint not null default 0,
    audience bigint not null default 0,
    strangers bigint not null default 0,
    pass_no int not null default 0,
    made_for text not null default '',
    position bigint not null default -1,
    warmed bigint not null default 0,
    already_warm bigint not null default 0,
    gone bigint not null default 0,
    no_consent bigint not null default 0,
    no_history bigint not null default 0,
    failed bigint not null default 0,
    scored bigint not null default 0,
    rate_per_s real,
    pass_started_at timestamptz,
    pass_finished_at timestamptz,
    primary key (tenant, send_no)
);
create index send_open on send (tenant, send_no) where status in ('waiting', 'warming', 'warm');

-- Numbers of people, never their names. The rows go once the send is over or cancelled.
create table send_person (
    tenant smallint not null,
    send_no int not null,
    person_no bigint not null,
    primary key (tenant, send_no, person_no)
);

-- What each server process measured of itself, told for every tenant that it answers for.
create table capacity (
    tenant smallint not null references tenant,
    process text not null,
    workers smallint not null,
    cpus real not null,
    cpu_us real,
    requests bigint,
    measured_at timestamptz,
    snapshot_age_s real not null,
    seen_at timestamptz not null default now(),
    primary key (tenant, process)
);
"""


def upgrade() -> None:
    for statement in SENDS.split(";"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    for table in ("capacity", "send_person", "send"):
        op.execute(f"drop table {table}")
