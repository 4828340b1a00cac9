"""Signals of e-mail and web, the marks of machines among them, and which serve an order is owed to."""

from alembic import op

revision = "0003"
down_revision = "0002"

# The new columns are empty in all other events, and so are the new indexes: taking those in costs what it did. Reports ask for
# signals of a stretch of time, the judging of clicks for those of one serve; both would read whole months of events without.
SIGNALS = """
alter table event
    add column signal smallint, add column mark smallint, add column client smallint, add column recommendation_id bytea,
    add column campaign text, add column placement_no int;
create index event_signal on event (tenant, occurred_at) where signal is not null;
create index event_recommendation on event (tenant, recommendation_id) where recommendation_id is not null;

create table attribution (
    tenant smallint not null,
    person_no bigint not null,
    order_key bigint not null,
    order_message bytea not null,
    ordered_at timestamptz not null,
    value double precision not null,
    touch smallint not null,
    touch_message bytea not null,
    touched_at timestamptz not null,
    recommendation_id bytea not null,
    placement_no int,
    campaign text,
    item_no int,
    position smallint,
    item_bought boolean not null,
    attributed_at timestamptz not null default now(),
    primary key (tenant, person_no, order_key),
    foreign key (tenant, person_no) references person (tenant, person_no) on delete cascade
);
create index attribution_time on attribution (tenant, ordered_at);

-- How far a reader of the event log has come, of readers that keep no state of people.
create table log_position (
    tenant smallint not null references tenant,
    reader text not null,
    xid xid8 not null,
    event_no bigint not null,
    cluster text not null,
    primary key (tenant, reader)
);
"""


def upgrade() -> None:
    for statement in SIGNALS.split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    op.execute("drop table log_position")
    op.execute("drop table attribution")
    op.execute("drop index event_recommendation")
    op.execute("drop index event_signal")
    op.execute(
        "alter table event drop column signal, drop column mark, drop column client, drop column recommendation_id, "
        "drop column campaign, drop column placement_no"
    )
