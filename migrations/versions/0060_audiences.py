"""Sends whose audience is a segment, or whoever meets a condition."""

from alembic import op

revision = "0060"
down_revision = "0050"


def upgrade() -> None:
    op.execute("alter table send add column segment text not null default '', add column condition text not null default ''")


def downgrade() -> None:
    op.execute("alter table send drop column segment, drop column condition")
