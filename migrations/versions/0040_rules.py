"""Rules, published as placements and templates are."""

from alembic import op

revision = "0040"
down_revision = "0031"

TABLES = """
create table rule (
    tenant smallint not null references tenant,
    rule_no int generated always as identity,
    name text not null check (name ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    published int,
    primary key (tenant, rule_no),
    unique (tenant, name)
);

create table rule_version (
    tenant smallint not null,
    rule_no int not null,
    version int not null,
    document jsonb not null,
    created_at timestamptz not null default now(),
    published_at timestamptz,
    primary key (tenant, rule_no, version),
    foreign key (tenant, rule_no) references rule (tenant, rule_no)
)
"""


def upgrade() -> None:
    for statement in TABLES.split(";"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("drop table rule_version")
    op.execute("drop table rule")
