"""Refused events say which source reads them, and states follow the log as all others do: one place a tenant, in one table."""

from alembic import op

revision = "0014"
down_revision = "0013"

# All shards always moved together. A tenant whose shards say different things reads its log from the beginning.
_FOLLOW = """
insert into log_position (tenant, reader, xid, event_no, cluster)
select tenant, 'states', min(xid::text::bigint)::text::xid8, min(event_no), min(cluster) from shard_position
group by tenant having count(*) = 16 and count(distinct (xid, event_no, cluster)) = 1
"""
_SHARDS = """
create table shard_position (
    tenant smallint not null references tenant,
    shard smallint not null,
    xid xid8 not null,
    event_no bigint not null,
    cluster text not null,
    primary key (tenant, shard)
)
"""
_BACK = """
insert into shard_position (tenant, shard, xid, event_no, cluster)
select tenant, shard, xid, event_no, cluster from log_position, generate_series(0, 15) shard where reader = 'states'
"""


def upgrade() -> None:
    op.execute("alter table refused_event add column source text not null default 'tracking'")
    op.execute(_FOLLOW)
    op.execute("drop table shard_position")


def downgrade() -> None:
    op.execute(_SHARDS)
    op.execute(_BACK)
    op.execute("delete from log_position where reader = 'states'")
    op.execute("alter table refused_event drop column source")
