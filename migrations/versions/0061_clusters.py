"""Clusterings, published as segments are, and what was found of them."""

from alembic import op

revision = "0061"
down_revision = "0060"

TABLES = """
create table cluster (
    tenant smallint not null references tenant,
    cluster_no int generated always as identity,
    name text not null check (name ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    published int,
    primary key (tenant, cluster_no),
    unique (tenant, name)
);
create table cluster_version (
    tenant smallint not null,
    cluster_no int not null,
    version int not null,
    document jsonb not null,
    created_at timestamptz not null default now(),
    published_at timestamptz,
    primary key (tenant, cluster_no, version),
    foreign key (tenant, cluster_no) references cluster (tenant, cluster_no)
);
create table cluster_model (
    tenant smallint not null,
    cluster_no int not null,
    version int not null,
    model jsonb not null,
    fitted_at timestamptz not null,
    primary key (tenant, cluster_no),
    foreign key (tenant, cluster_no) references cluster (tenant, cluster_no)
)
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        op.execute(statement)


def downgrade() -> None:
    for table in ("cluster_model", "cluster_version", "cluster"):
        op.execute(f"drop table {table}")
