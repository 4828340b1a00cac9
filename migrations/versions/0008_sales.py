"""Sales and the end of items as columns, so that filters and servers follow the price that is shown.

Rows from before get theirs when they are next sent, by a feed or over HTTP; until then the full price counts in filters.
"""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute(
        "alter table item add column sale_price numeric(14, 4), add column sale_from timestamptz, "
        "add column sale_until timestamptz, add column expires_at timestamptz"
    )


def downgrade() -> None:
    op.execute("alter table item drop column sale_price, drop column sale_from, drop column sale_until, drop column expires_at")
