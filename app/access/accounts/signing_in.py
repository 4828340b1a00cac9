"""Opens and knows sessions: by password and second factor, or by a one-time link."""

import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from app.access import audit
from app.access.accounts import passwords, store
from app.access.accounts.domain import SCOPES, SESSION_PREFIX, Role, check_password, pause_s
from app.access.accounts.provider import Vouched
from app.access.accounts.schemas import Enter, LinkView, Opened, SignIn
from app.access.domain import ClientKind, Principal, RuleBroken
from app.access.tokens.keys import digest
from app.core.db import Database
from app.core.errors import Forbidden, Invalid, LimitReached, NotFound, Unauthorized
from app.core.secret import derive, unseal
from app.core.settings import Settings

_WRONG = "The address, the password or the code is wrong."
_DEAD_LINK = "This link was used or has expired; ask an administrator for another."
# What people can click, and pages ask for them.
_LIMIT = "3000/minute"


@dataclass(frozen=True)
class Known:
    """Somebody with an open session."""

    principal: Principal
    account_no: int
    session_no: int
    email: str
    name: str
    role: Role
    second_factor: bool


def is_session(authorization: bytes) -> bool:
    """Tell whether an Authorization header carries a session."""
    return authorization[:7].lower() == b"bearer " and authorization[7:].lstrip().startswith(SESSION_PREFIX)


async def known(db: Database, settings: Settings, authorization: bytes) -> Known:
    """Return who a session belongs to; raises Unauthorized once it ended, was unused for too long, or its account is off."""
    async with db.begin() as connection:
        row = await store.session(connection, digest(authorization[7:].strip()), settings.session_idle_s)
    if row is None:
        raise Unauthorized("The session has ended; sign in again.")
    role = Role(row.role)
    caller = Principal(
        tenant=row.tenant,
        client_no=-row.account_no,
        client_id=f"account-{row.account_no}",
        kind=ClientKind.SERVICE,
        scopes=SCOPES[role],
        rate_limit=_LIMIT,
        on_limit="reject",
        account=row.email,
    )
    return Known(caller, row.account_no, row.session_no, row.email, row.name, role, row.totp_on)


def factor_secret(settings: Settings, tenant: int, account_no: int, sealed: bytes) -> str:
    """Open the secret of a second factor."""
    return unseal(derive(settings, "second-factors"), sealed, f"{tenant}:{account_no}".encode()).decode()


async def sign_in(db: Database, settings: Settings, tenant: int, wanted: SignIn) -> Opened:
    """Open a session for an address with its password; raises Unauthorized, and LimitReached after too many wrong ones.

    Each try is counted as a wrong one before it is checked, so that many at once get no further than one after the other.
    """
    account = await _charged(db, tenant, wanted.email)
    right = await passwords.matches(account.password_hash if account else None, wanted.password.get_secret_value())
    if not right or account is None or account.disabled_at is not None:
        raise Unauthorized(_WRONG)
    async with db.begin() as connection:
        account = await store.by_number(connection, tenant, account.account_no)
        step = account.totp_last
        if account.totp_on:
            if not wanted.code:
                await store.change(connection, tenant, account.account_no, failures=max(0, account.failures - 1), locked_until=None)
            else:
                secret = factor_secret(settings, tenant, account.account_no, account.totp_sealed)
                step = passwords.totp_step(secret, wanted.code, account.totp_last)
        if step is not None and (wanted.code or not account.totp_on):
            await store.change(connection, tenant, account.account_no, failures=0, locked_until=None, totp_last=step)
            return await _open(connection, settings, tenant, account, wanted.agent)
    if wanted.code:
        raise Unauthorized(_WRONG)
    raise Unauthorized("This account has a second factor: send its code too.", code="second_factor")


async def _charged(db: Database, tenant: int, email: str) -> Row[Any] | None:
    async with db.begin() as connection:
        account = await store.by_email(connection, tenant, email)
        if account is None:
            return None
        if account.locked_s > 0:
            wait = int(account.locked_s) + 1
            raise LimitReached(f"Too many wrong passwords; try again in {wait} s.", headers={"Retry-After": str(wait)})
        await store.failed(connection, tenant, account.account_no, account.failures + 1, pause_s(account.failures + 1))
    return account


async def look_at_link(db: Database, link: str) -> LinkView:
    """Return what a link leads to without using it; raises NotFound."""
    async with db.begin() as connection:
        found = await store.link(connection, digest(link))
    if found is None:
        raise NotFound(_DEAD_LINK)
    return LinkView(purpose=found.purpose, email=found.email, name=found.name, role=found.role)


async def enter(db: Database, settings: Settings, wanted: Enter) -> Opened:
    """Open a session by a link; all but the demo's lead in once and need a new password. Raises NotFound, Invalid."""
    async with db.begin() as connection:
        found = await store.link(connection, digest(wanted.link))
        if found is None:
            raise NotFound(_DEAD_LINK)
        account = await store.by_number(connection, found.tenant, found.account_no)
        if found.purpose != "demo":
            password = wanted.password.get_secret_value() if wanted.password else ""
            try:
                check_password(password, account.email)
            except RuleBroken as error:
                raise Invalid(str(error)) from None
            changes = {"password_hash": await passwords.hashed(password), "failures": 0, "locked_until": None}
            await store.change(connection, found.tenant, found.account_no, name=wanted.name or account.name, **changes)
            await store.use_link(connection, digest(wanted.link))
        return await _open(connection, settings, found.tenant, account, wanted.agent)


async def enter_by_provider(db: Database, settings: Settings, tenant: int, who: Vouched, agent: str) -> Opened:
    """Open a session for somebody whom the provider vouches for; who comes for the first time has the role of the settings.

    Raises Forbidden where there is no account and no such role, and Unauthorized for one that is switched off.
    """
    by = f"by {settings.oidc_name}"
    async with db.begin() as connection:
        account = await store.by_email(connection, tenant, who.email)
        if account is None:
            if not settings.oidc_role:
                raise Forbidden(f"There is no account for {who.email}: an administrator must invite it first.")
            if await store.add(connection, tenant, who.email, who.name, settings.oidc_role) is not None:
                await audit.record(connection, tenant, who.email, "come", "account", who.email, note=f"{by}, as {settings.oidc_role}")
            account = await store.by_email(connection, tenant, who.email)
            assert account is not None
        if account.disabled_at is not None:
            raise Unauthorized("This account is switched off; ask an administrator.")
        return await _open(connection, settings, tenant, account, agent, by)


async def _open(connection: AsyncConnection, settings: Settings, tenant: int, account: Row[Any], agent: str, note: str = "") -> Opened:
    token = SESSION_PREFIX.decode() + secrets.token_urlsafe(32)
    await store.open_session(connection, tenant, account.account_no, digest(token), agent[:200], settings.session_max_s)
    await audit.record(connection, tenant, account.email, "sign in", "account", account.email, note=note)
    return Opened(token=token, lasts_s=settings.session_max_s, email=account.email, role=account.role)
