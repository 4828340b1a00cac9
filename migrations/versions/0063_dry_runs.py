"""Dry runs that the worker makes."""

from alembic import op

revision = "0063"
down_revision = "0062"

TABLES = """
create table dry_run (
    tenant smallint not null references tenant,
    run_no int generated always as identity,
    kind text not null,
    name text not null,
    who text not null,
    status text not null default 'waiting' check (status in ('waiting', 'running', 'done', 'failed', 'cancelled')),
    ask json not null,
    document json not null,
    created_at timestamptz not null default now(),
    started_at timestamptz,
    finished_at timestamptz,
    tries smallint not null default 0,
    done int not null default 0,
    of_all int not null default 0,
    fault text not null default '',
    report json,
    primary key (tenant, run_no)
);
create unique index dry_run_open on dry_run (tenant) where status in ('waiting', 'running')
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("drop table dry_run")
