"""Versions of a document know whether they were ever published, and what was done to documents is kept."""

from alembic import op

revision = "0011"
down_revision = "0010"

AUDIT = """
create table audit (
    tenant smallint not null references tenant,
    audit_no bigint generated always as identity,
    at timestamptz not null default now(),
    who text not null,
    what text not null,
    kind text not null,
    name text not null,
    before int,
    after int,
    primary key (tenant, audit_no)
)
"""


def upgrade() -> None:
    for table in ("placement_version", "template_version"):
        op.execute(f"alter table {table} add column published_at timestamptz")
        op.execute(f"update {table} set published_at = created_at")
    op.execute(AUDIT)
    op.execute("create index audit_of on audit (tenant, kind, name, audit_no)")


def downgrade() -> None:
    op.execute("drop table audit")
    for table in ("template_version", "placement_version"):
        op.execute(f"alter table {table} drop column published_at")
