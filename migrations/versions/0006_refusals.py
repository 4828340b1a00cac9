"""Refused events, kept whole until somebody has put them right."""

from alembic import op

revision = "0006"
down_revision = "0005"

REFUSED = """
create table refused_event (
    tenant smallint not null references tenant,
    refused_no bigint generated always as identity,
    digest bytea not null,
    received_at timestamptz not null,
    skew_s double precision not null,
    anonymous_only boolean not null,
    client_no int not null,
    call text not null,
    whole_body boolean not null,
    reason text not null,
    person_no bigint,
    identity_key bytea,
    size int not null,
    payload bytea not null,
    primary key (tenant, refused_no),
    unique (tenant, digest),
    foreign key (tenant, person_no) references person (tenant, person_no) on delete cascade
);
create index refused_event_person on refused_event (tenant, person_no) where person_no is not null;
create index refused_event_identity on refused_event (tenant, identity_key) where identity_key is not null;
"""


def upgrade() -> None:
    for statement in REFUSED.split(";"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    op.execute("drop table refused_event")
