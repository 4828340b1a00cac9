"""What tells a history from another one, so that lists stay current while nobody did anything."""

from alembic import op

revision = "0070"
down_revision = "0063"


def upgrade() -> None:
    # zero is no digest of a history: lists of before are made anew as they are asked for
    op.execute("alter table person_state add column digest bigint not null default 0")


def downgrade() -> None:
    op.execute("alter table person_state drop column digest")
