"""Attribution across the ids of a person: whose touch it was, and which people changed group."""

from alembic import op

revision = "0007"
down_revision = "0006"

# `root_xid` lets readers find people whose group changed in the order of transactions, as they find events.
ATTRIBUTION = """
alter table person add column root_xid xid8;
create index person_regrouped on person (tenant, root_xid, person_no) where root_xid is not null;
alter table attribution add column touch_person_no bigint not null;
alter table attribution add foreign key (tenant, touch_person_no) references person (tenant, person_no) on delete cascade;
create index attribution_touch on attribution (tenant, touch_person_no)
"""


def upgrade() -> None:
    for statement in ATTRIBUTION.split(";\n"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("alter table attribution drop column touch_person_no")
    op.execute("drop index person_regrouped")
    op.execute("alter table person drop column root_xid")
