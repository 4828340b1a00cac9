"""People sign in: accounts, their sessions and one-time links; the audit log says what a line is about in words."""

from alembic import op

revision = "0015"
down_revision = "0014"

UP = """
create table account (
    tenant smallint not null references tenant,
    account_no int generated always as identity,
    email text not null,
    name text not null default '',
    role text not null check (role in ('viewer', 'marketer', 'engineer', 'admin')),
    password_hash text,
    totp_sealed bytea,
    totp_on boolean not null default false,
    totp_last bigint not null default 0,
    provider_subject text,
    failures int not null default 0,
    locked_until timestamptz,
    created_at timestamptz not null default now(),
    disabled_at timestamptz,
    primary key (tenant, account_no)
);
create unique index account_email on account (tenant, lower(email));
create table account_session (
    tenant smallint not null,
    session_no bigint generated always as identity,
    account_no int not null,
    token_hash bytea not null unique,
    agent text not null default '',
    created_at timestamptz not null default now(),
    seen_at timestamptz not null default now(),
    ends_at timestamptz not null,
    ended_at timestamptz,
    primary key (tenant, session_no),
    foreign key (tenant, account_no) references account on delete cascade
);
create index account_session_account on account_session (tenant, account_no);
create table login_link (
    tenant smallint not null,
    token_hash bytea not null unique,
    account_no int not null,
    purpose text not null check (purpose in ('invite', 'first', 'demo')),
    expires_at timestamptz not null,
    used_at timestamptz,
    primary key (tenant, token_hash),
    foreign key (tenant, account_no) references account on delete cascade
);
alter table audit add column note text not null default '';
create index audit_at on audit (tenant, at desc);
"""


def upgrade() -> None:
    for statement in UP.split(";"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    op.execute("drop index audit_at")
    op.execute("alter table audit drop column note")
    for table in ("login_link", "account_session", "account"):
        op.execute(f"drop table {table}")
