"""The first schema.

Numbers inside, names outside: only `person` and `person_identity` hold what names a person. The tenant leads every
primary key. Tables that grow with time are partitioned by the moment of arrival.
"""

from alembic import op

revision = "0001"
down_revision = None

ACCESS = """
create table tenant (
    tenant smallint primary key,
    name text not null unique check (name ~ '^[a-z0-9][a-z0-9-]{0,39}$'),
    created_at timestamptz not null default now()
);
insert into tenant (tenant, name) values (1, 'default');

create table client (
    tenant smallint not null references tenant,
    client_no int generated always as identity,
    client_id text not null unique,
    name text not null,
    kind text not null check (kind in ('esp', 'service', 'website', 'app')),
    secret_hash bytea,
    scopes text[] not null,
    rate_limit text,
    on_limit text check (on_limit in ('popular', 'reject')),
    origins text[] not null default '{}',
    placements text[] not null default '{}',
    created_at timestamptz not null default now(),
    revoked_at timestamptz,
    primary key (tenant, client_no)
);

create table api_key (
    tenant smallint not null,
    key_no int generated always as identity,
    client_no int not null,
    kind text not null check (kind in ('api', 'url', 'write', 'website')),
    key_hash bytea not null unique,
    hint text not null,
    scopes text[] not null,
    placements text[] not null default '{}',
    origins text[] not null default '{}',
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    primary key (tenant, key_no),
    foreign key (tenant, client_no) references client (tenant, client_no)
);

create table signing_key (
    tenant smallint not null references tenant,
    kid text not null,
    purpose text not null check (purpose in ('token', 'link')),
    private_sealed bytea not null,
    public_pem text,
    created_at timestamptz not null default now(),
    active_from timestamptz not null default now(),
    retired_at timestamptz,
    primary key (tenant, kid)
);

create table revocation (
    tenant smallint not null references tenant,
    revocation_no bigint generated always as identity,
    kind text not null check (kind in ('jti', 'client', 'key')),
    value text not null,
    revoked_at timestamptz not null default now(),
    expires_at timestamptz,
    primary key (tenant, revocation_no),
    unique (tenant, kind, value)
);

-- One row an area that servers keep in memory: a change of the version tells them to read again.
create sequence change_version;
create table change (
    tenant smallint not null references tenant,
    area text not null,
    version bigint not null,
    changed_at timestamptz not null default now(),
    primary key (tenant, area)
);
"""

CATALOG = """
create table item_group (
    tenant smallint not null references tenant,
    group_no int generated always as identity,
    group_id text not null,
    primary key (tenant, group_no),
    unique (tenant, group_id)
);

create table item (
    tenant smallint not null,
    item_no int generated always as identity,
    group_no int not null,
    item_id text not null,
    kind text not null default 'product',
    title text not null default '',
    category text not null default '',
    brand text not null default '',
    available boolean not null default true,
    absent boolean not null default false,
    price numeric(14, 4),
    currency text not null default '',
    document jsonb not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    changed_xid xid8 not null default pg_current_xact_id(),
    primary key (tenant, item_no),
    unique (tenant, item_id),
    foreign key (tenant, group_no) references item_group (tenant, group_no)
);
create index item_group_index on item (tenant, group_no);
create index item_changed_index on item (tenant, changed_xid);
"""

PEOPLE = """
create sequence state_seq;

create table person (
    tenant smallint not null references tenant,
    person_no bigint not null,
    data_key bytea not null,
    consent smallint,
    consent_at timestamptz,
    country text,
    traits jsonb not null default '{}',
    created_at timestamptz not null default now(),
    primary key (tenant, person_no)
);

create table person_identity (
    tenant smallint not null,
    key bytea not null,
    kind smallint not null check (kind in (1, 2, 3)),
    value text not null,
    person_no bigint not null,
    is_primary boolean not null,
    created_at timestamptz not null default now(),
    primary key (tenant, key),
    foreign key (tenant, person_no) references person (tenant, person_no) on delete cascade
);
create index person_identity_person on person_identity (tenant, person_no);

create table person_state (
    tenant smallint not null,
    person_no bigint not null,
    key bytea not null,
    shard smallint not null,
    seq bigint not null,
    state bytea not null,
    updated_at timestamptz not null default now(),
    primary key (tenant, person_no)
);
create index person_state_shard on person_state (tenant, shard);

create table shard_position (
    tenant smallint not null references tenant,
    shard smallint not null,
    xid xid8 not null,
    event_no bigint not null,
    cluster text not null,
    primary key (tenant, shard)
);

-- What must reach Redis even if Redis is away now, or comes back old: applied again until confirmed.
create table outbox (
    tenant smallint not null references tenant,
    outbox_no bigint generated always as identity,
    kind text not null check (kind in ('consent', 'revocation', 'erasure', 'merge')),
    person_no bigint,
    payload jsonb not null default '{}',
    created_at timestamptz not null default now(),
    confirmed_at timestamptz,
    primary key (tenant, outbox_no)
);
create index outbox_open on outbox (tenant, outbox_no) where confirmed_at is null;
"""

EVENTS = """
create table event_source (
    tenant smallint not null references tenant,
    source_no int generated always as identity,
    name text not null,
    primary key (tenant, source_no),
    unique (tenant, name)
);

create table event (
    tenant smallint not null,
    event_no bigint generated always as identity,
    xid xid8 not null default pg_current_xact_id(),
    received_at timestamptz not null default now(),
    occurred_at timestamptz not null,
    message_id bytea not null,
    person_no bigint not null,
    kind smallint not null,
    name text not null default '',
    item_no int,
    group_no int,
    order_key bigint,
    quantity real,
    value real,
    source_no int,
    payload bytea,
    primary key (tenant, received_at, event_no)
) partition by range (received_at);
create index event_read on event (xid, event_no);
create index event_person on event (tenant, person_no);
create table event_default partition of event default;

create table seen_0 (tenant smallint not null, message_id bytea not null, primary key (tenant, message_id));
create table seen_1 (tenant smallint not null, message_id bytea not null, primary key (tenant, message_id));
create table seen_generation (
    one boolean primary key default true check (one),
    current smallint not null check (current in (0, 1)),
    since timestamptz not null default now()
);
insert into seen_generation (current) values (0);

create table import_run (
    tenant smallint not null,
    run_no int generated always as identity,
    source_no int,
    what text not null check (what in ('items', 'events')),
    file_name text not null,
    started_at timestamptz not null default now(),
    finished_at timestamptz,
    rows_read bigint not null default 0,
    landed bigint not null default 0,
    duplicate bigint not null default 0,
    refused bigint not null default 0,
    report jsonb not null default '{}',
    primary key (tenant, run_no)
);

create table import_ledger (
    tenant smallint not null,
    source_no int not null,
    row_hash bytea not null,
    primary key (tenant, source_no, row_hash)
);
"""

MODELS = """
create table model (
    tenant smallint not null references tenant,
    model_no int generated always as identity,
    recommender text not null,
    version text not null,
    manifest jsonb not null,
    created_at timestamptz not null default now(),
    primary key (tenant, model_no),
    unique (tenant, recommender, version)
);

create table model_promotion (
    tenant smallint not null,
    promotion_no int generated always as identity,
    recommender text not null,
    model_no int not null,
    reason text not null default '',
    promoted_at timestamptz not null default now(),
    undone_at timestamptz,
    primary key (tenant, promotion_no),
    foreign key (tenant, model_no) references model (tenant, model_no)
);

create table popular_list (
    tenant smallint not null references tenant,
    segment text not null,
    groups int[] not null,
    scores real[] not null,
    computed_at timestamptz not null default now(),
    primary key (tenant, segment)
);
"""

CONTENT = """
create table placement (
    tenant smallint not null references tenant,
    placement_no int generated always as identity,
    name text not null check (name ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    published int,
    primary key (tenant, placement_no),
    unique (tenant, name)
);

create table placement_version (
    tenant smallint not null,
    placement_no int not null,
    version int not null,
    document jsonb not null,
    created_at timestamptz not null default now(),
    primary key (tenant, placement_no, version),
    foreign key (tenant, placement_no) references placement (tenant, placement_no)
);

create table template (
    tenant smallint not null references tenant,
    template_no int generated always as identity,
    name text not null check (name ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    published int,
    primary key (tenant, template_no),
    unique (tenant, name)
);

create table template_version (
    tenant smallint not null,
    template_no int not null,
    version int not null,
    document jsonb not null,
    created_at timestamptz not null default now(),
    primary key (tenant, template_no, version),
    foreign key (tenant, template_no) references template (tenant, template_no)
);
"""

SERVES = """
create table serve (
    tenant smallint not null,
    served_at timestamptz not null,
    recommendation_id bytea not null,
    placement_no int,
    client_no int,
    person_no bigint,
    rung smallint not null,
    reason smallint not null,
    model_no int,
    placement_version int,
    send_id text,
    arm text not null default '',
    items int[] not null,
    prices real[] not null,
    latency_us int not null,
    primary key (tenant, served_at, recommendation_id)
) partition by range (served_at);
create index serve_id on serve (tenant, recommendation_id);
create table serve_default partition of serve default;
"""

TABLES = (
    "serve template_version template placement_version placement popular_list model_promotion model import_ledger import_run "
    "seen_generation seen_1 seen_0 event event_source outbox shard_position person_state person_identity person item item_group "
    "change revocation signing_key api_key client tenant"
)


def upgrade() -> None:
    for part in (ACCESS, CATALOG, PEOPLE, EVENTS, MODELS, CONTENT, SERVES):
        for statement in part.split(";"):
            if statement.strip():
                op.execute(statement)


def downgrade() -> None:
    for table in TABLES.split():
        op.execute(f"drop table {table} cascade")
    op.execute("drop sequence change_version")
    op.execute("drop sequence state_seq")
