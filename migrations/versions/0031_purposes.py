"""Consent by purpose: what each id said of tracking, e-mail, analytics and sale, when and by whom, and when GPC first came."""

from alembic import op

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    op.execute("alter table person add column purposes jsonb not null default '{}'")


def downgrade() -> None:
    op.execute("alter table person drop column purposes")
