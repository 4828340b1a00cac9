"""Refused events know all whom they may name, so that an erasure finds them; what names nobody who can be found is kept a day."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute("alter table refused_event add named bytea[] not null default '{}', add brief boolean not null default false")
    # whom these name was not noted when they came
    op.execute("update refused_event set brief = true where person_no is null and identity_key is null")
    op.execute("create index refused_event_named on refused_event using gin (named)")
    op.execute("create index refused_event_brief on refused_event (received_at) where brief")


def downgrade() -> None:
    op.execute("drop index refused_event_brief")
    op.execute("drop index refused_event_named")
    op.execute("alter table refused_event drop named, drop brief")
