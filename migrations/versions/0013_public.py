"""Events that came by a public key are told apart; those stored before count as a trusted sender's."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.execute("alter table event add column public boolean not null default false")


def downgrade() -> None:
    op.execute("alter table event drop column public")
