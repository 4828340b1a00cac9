"""Items found as somebody types, who bought an item, and files that people hand in by the dashboard."""

from alembic import op

revision = "0020"
down_revision = "0016"

WORDS = "to_tsvector('simple', translate(title || ' ' || brand || ' ' || category, '<>/_.@:&-', '         '))"
UPLOADS = """
create table upload (
    tenant smallint not null references tenant,
    upload_no int generated always as identity,
    what text not null check (what in ('items', 'events')),
    file_name text not null,
    bytes bigint not null,
    who text not null,
    status text not null default 'staged' check (status in ('staged', 'waiting', 'running', 'done', 'failed')),
    options json not null default '{}',
    notes text[] not null default '{}',
    created_at timestamptz not null default now(),
    started_at timestamptz,
    rows_read bigint not null default 0,
    bytes_done bigint not null default 0,
    run_no int,
    refused_kept int not null default 0,
    tries smallint not null default 0,
    fault text not null default '',
    primary key (tenant, upload_no)
)
"""
MAPPINGS = """
create table import_mapping (
    tenant smallint not null references tenant,
    what text not null check (what in ('items', 'events')),
    name text not null,
    options json not null,
    saved_at timestamptz not null default now(),
    primary key (tenant, what, name)
)
"""


def upgrade() -> None:
    op.execute(f"alter table item add column words tsvector generated always as ({WORDS}) stored")
    op.execute("create index item_words on item using gin (words)")
    op.execute("create index item_id_begins on item (tenant, item_id text_pattern_ops)")
    # who bought an item lately: a look at all events would take minutes
    op.execute("create index event_bought on event (tenant, item_no, occurred_at) where kind = 7")
    op.execute(UPLOADS)
    op.execute("create index upload_open on upload (tenant, upload_no) where status in ('waiting', 'running')")
    op.execute("create index upload_run on upload (tenant, run_no) where run_no is not null")
    op.execute(MAPPINGS)


def downgrade() -> None:
    op.execute("drop table import_mapping")
    op.execute("drop table upload")
    for index in ("event_bought", "item_id_begins", "item_words"):
        op.execute(f"drop index {index}")
    op.execute("alter table item drop column words")
