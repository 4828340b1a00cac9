"""A model whose files were deleted keeps its line, since promotions name it, and says when."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute("alter table model add column pruned_at timestamptz")


def downgrade() -> None:
    op.execute("alter table model drop column pruned_at")
