"""Returns and cancellations are found without reading all events."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.execute("create index event_returned on event (tenant, person_no) where kind in (-5, -4)")


def downgrade() -> None:
    op.execute("drop index event_returned")
