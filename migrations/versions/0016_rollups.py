"""Small sums of answers and events by minute and hour, so that pages need not read the records themselves."""

from alembic import op

revision = "0016"
down_revision = "0015"

UP = """
create table rollup_serve (
    tenant smallint not null references tenant,
    width smallint not null check (width in (60, 3600)),
    at timestamptz not null,
    placement_no int not null,
    client_no int not null,
    rung smallint not null,
    reason smallint not null,
    answers int not null,
    empty int not null,
    latency int[] not null,
    primary key (tenant, width, at, placement_no, client_no, rung, reason)
);
create table rollup_event (
    tenant smallint not null references tenant,
    width smallint not null check (width in (60, 3600)),
    at timestamptz not null,
    source_no int not null,
    kind smallint not null,
    events int not null,
    primary key (tenant, width, at, source_no, kind)
);
create table rollup_gauge (
    tenant smallint not null references tenant,
    width smallint not null check (width in (60, 3600)),
    at timestamptz not null,
    series text not null,
    value real not null,
    primary key (tenant, width, series, at)
);
create table rollup_position (
    tenant smallint not null primary key references tenant,
    minutes_until timestamptz not null,
    hours_until timestamptz not null
);
"""


def upgrade() -> None:
    for statement in UP.split(";"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    for table in ("rollup_position", "rollup_gauge", "rollup_event", "rollup_serve"):
        op.execute(f"drop table {table}")
