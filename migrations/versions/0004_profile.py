"""Profiles: which events make visits, and what is summed up of each person."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute("alter table event add column on_site boolean not null default false")
    # empty: not computed yet; the worker computes every state again, since the form of what it keeps has changed
    op.execute("alter table person_state add column profile bytea not null default ''")


def downgrade() -> None:
    op.execute("alter table person_state drop column profile")
    op.execute("alter table event drop column on_site")
