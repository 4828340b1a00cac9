"""The SQL of accounts: accounts, sessions, one-time links."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core import locks
from app.core.errors import NotFound

_ACCOUNT = (
    "account_no, email, name, role, password_hash, totp_sealed, totp_on, totp_last, failures, "
    "greatest(0, extract(epoch from locked_until - now()))::float8 as locked_s, created_at, disabled_at"
)


def now() -> datetime:
    """Return the moment of a change."""
    return datetime.now(UTC)


async def _rows(connection: AsyncConnection, sql: str, **values: Any) -> Sequence[Row[Any]]:
    return (await connection.execute(text(sql), values)).all()


async def accounts(connection: AsyncConnection, tenant: int) -> Sequence[Row[Any]]:
    """Return all accounts, by address."""
    return await _rows(
        connection,
        f"select {_ACCOUNT}, (select max(s.seen_at) from account_session s where s.tenant = a.tenant and s.account_no = a.account_no) "
        "as seen_at from account a where tenant = :tenant order by lower(email)",
        tenant=tenant,
    )


async def by_email(connection: AsyncConnection, tenant: int, email: str) -> Row[Any] | None:
    """Return the account of an address, locked until the end of the transaction."""
    found = await _rows(
        connection,
        f"select {_ACCOUNT} from account where tenant = :tenant and lower(email) = lower(:email) for update",
        tenant=tenant,
        email=email,
    )
    return found[0] if found else None


async def by_number(connection: AsyncConnection, tenant: int, account_no: int) -> Row[Any]:
    """Return an account, locked until the end of the transaction; raises NotFound."""
    found = await _rows(
        connection, f"select {_ACCOUNT} from account where tenant = :tenant and account_no = :no for update", tenant=tenant, no=account_no
    )
    if not found:
        raise NotFound("There is no such account.")
    return found[0]


async def lock_accounts(connection: AsyncConnection) -> None:
    """Let one change of roles and first accounts happen at a time, until the end of the transaction."""
    await connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": locks.ACCOUNTS})


async def add(connection: AsyncConnection, tenant: int, email: str, name: str, role: str) -> int | None:
    """Add an account and return its number, None when the address is taken."""
    made = await connection.execute(
        text(
            "insert into account (tenant, email, name, role) values (:tenant, :email, :name, :role) "
            "on conflict (tenant, lower(email)) do nothing returning account_no"
        ),
        {"tenant": tenant, "email": email, "name": name, "role": role},
    )
    number: int | None = made.scalar_one_or_none()
    return number


async def change(connection: AsyncConnection, tenant: int, account_no: int, **values: Any) -> None:
    """Set columns of an account."""
    columns = ", ".join(f"{name} = :{name}" for name in values)
    await connection.execute(
        text(f"update account set {columns} where tenant = :tenant and account_no = :no"), {**values, "tenant": tenant, "no": account_no}
    )


async def failed(connection: AsyncConnection, tenant: int, account_no: int, failures: int, pause_s: int) -> None:
    """Note a wrong password."""
    await connection.execute(
        text(
            "update account set failures = :failures, locked_until = now() + make_interval(secs => :pause) "
            "where tenant = :tenant and account_no = :no"
        ),
        {"tenant": tenant, "no": account_no, "failures": failures, "pause": pause_s},
    )


async def remaining_admins(connection: AsyncConnection, tenant: int) -> int:
    """Return how many people may administer accounts."""
    count: int = (
        await connection.execute(
            text("select count(*) from account where tenant = :tenant and role = 'admin' and disabled_at is null"), {"tenant": tenant}
        )
    ).scalar_one()
    return count


async def open_session(connection: AsyncConnection, tenant: int, account_no: int, token_hash: bytes, agent: str, lasts_s: int) -> None:
    """Store a session."""
    await connection.execute(
        text(
            "insert into account_session (tenant, account_no, token_hash, agent, ends_at) "
            "values (:tenant, :no, :hash, :agent, now() + make_interval(secs => :lasts))"
        ),
        {"tenant": tenant, "no": account_no, "hash": token_hash, "agent": agent, "lasts": lasts_s},
    )


async def session(connection: AsyncConnection, token_hash: bytes, idle_s: int) -> Row[Any] | None:
    """Return a session that holds now with its account, and note that it was used; None where there is none."""
    found = await _rows(
        connection,
        "select s.tenant, s.session_no, s.seen_at < now() - interval '1 minute' as stale, a.account_no, a.email, a.name, a.role, a.totp_on "
        "from account_session s join account a using (tenant, account_no) where s.token_hash = :hash and s.ended_at is null "
        "and s.ends_at > now() and s.seen_at > now() - make_interval(secs => :idle) and a.disabled_at is null",
        hash=token_hash,
        idle=idle_s,
    )
    if not found:
        return None
    if found[0].stale:
        await connection.execute(
            text("update account_session set seen_at = now() where tenant = :tenant and session_no = :no"),
            {"tenant": found[0].tenant, "no": found[0].session_no},
        )
    return found[0]


async def sessions(connection: AsyncConnection, tenant: int, account_no: int, idle_s: int) -> Sequence[Row[Any]]:
    """Return the sessions of an account that hold now, the last used first."""
    return await _rows(
        connection,
        "select session_no, agent, created_at, seen_at, ends_at from account_session where tenant = :tenant and account_no = :no "
        "and ended_at is null and ends_at > now() and seen_at > now() - make_interval(secs => :idle) order by seen_at desc limit 100",
        tenant=tenant,
        no=account_no,
        idle=idle_s,
    )


async def end_sessions(connection: AsyncConnection, tenant: int, account_no: int, only: int | None = None, but: int | None = None) -> int:
    """End an account's sessions: all, `only` one, or all `but` one; return how many ended."""
    done = await connection.execute(
        text(
            "update account_session set ended_at = now() where tenant = :tenant and account_no = :no and ended_at is null "
            "and (cast(:only as bigint) is null or session_no = :only) and (cast(:but as bigint) is null or session_no <> :but)"
        ),
        {"tenant": tenant, "no": account_no, "only": only, "but": but},
    )
    return done.rowcount


async def add_link(connection: AsyncConnection, tenant: int, account_no: int, token_hash: bytes, purpose: str, lasts_s: int) -> None:
    """Store a link; those of the same purpose that the account had before lead nowhere any more."""
    values = {"tenant": tenant, "no": account_no, "hash": token_hash, "purpose": purpose, "lasts": lasts_s}
    await connection.execute(text("delete from login_link where tenant = :tenant and account_no = :no and purpose = :purpose"), values)
    await connection.execute(
        text(
            "insert into login_link (tenant, account_no, token_hash, purpose, expires_at) "
            "values (:tenant, :no, :hash, :purpose, now() + make_interval(secs => :lasts))"
        ),
        values,
    )


async def link(connection: AsyncConnection, token_hash: bytes) -> Row[Any] | None:
    """Return a link that still leads somewhere, locked until the end of the transaction."""
    found = await _rows(
        connection,
        "select l.tenant, l.account_no, l.purpose, a.email, a.name, a.role from login_link l join account a using (tenant, account_no) "
        "where l.token_hash = :hash and l.used_at is null and l.expires_at > now() and a.disabled_at is null for update of l",
        hash=token_hash,
    )
    return found[0] if found else None


async def use_link(connection: AsyncConnection, token_hash: bytes) -> None:
    """Note that a link was used: it leads nowhere any more."""
    await connection.execute(text("update login_link set used_at = now() where token_hash = :hash"), {"hash": token_hash})


async def forget_old(connection: AsyncConnection) -> int:
    """Delete sessions and links that ended a month ago."""
    done = await connection.execute(
        text("delete from account_session where least(ends_at, coalesce(ended_at, ends_at)) < now() - interval '30 days'")
    )
    await connection.execute(text("delete from login_link where expires_at < now() - interval '30 days'"))
    return done.rowcount
