"""What requests said beside placement and person, so that they can be asked again."""

from alembic import op

revision = "0062"
down_revision = "0061"


def upgrade() -> None:
    op.execute("alter table serve add column asked json")


def downgrade() -> None:
    op.execute("alter table serve drop column asked")
