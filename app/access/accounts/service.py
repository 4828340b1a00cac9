"""Accounts: invite, change, reset, second factors, sessions; each change leaves a line in the audit log."""

import secrets
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from app.access import audit
from app.access.accounts import passwords, store
from app.access.accounts.domain import Role, check_password
from app.access.accounts.schemas import Account, AccountChange, Factor, Invited, NewAccount, OwnChange, Session
from app.access.accounts.signing_in import Known, factor_secret
from app.access.domain import RuleBroken
from app.access.tokens.keys import digest
from app.core.db import Database
from app.core.errors import BadRequest, Conflict, Invalid
from app.core.secret import derive, seal
from app.core.settings import Settings

_INVITE_S = 7 * 86_400
_FIRST_S = 86_400
_DEMO_S = 365 * 86_400


async def listed(db: Database, tenant: int) -> list[Account]:
    """Return all accounts, by address."""
    async with db.begin() as connection:
        return [_view(row) for row in await store.accounts(connection, tenant)]


async def invite(db: Database, tenant: int, who: str, wanted: NewAccount) -> Invited:
    """Add an account and return the link that lets its owner choose a password; raises Conflict for an address that is there."""
    async with db.begin() as connection:
        number = await store.add(connection, tenant, wanted.email, wanted.name, wanted.role)
        if number is None:
            raise Conflict("There is an account with this address.")
        await audit.record(connection, tenant, who, "invite", "account", wanted.email, note=f"as {wanted.role}")
        return await _invited(connection, tenant, number, "invite", _INVITE_S)


async def change(db: Database, tenant: int, by: str, account_no: int, wanted: AccountChange) -> Invited:
    """Give an account another role, switch it off or on, or let its owner begin anew; raises NotFound, and Conflict for the last admin."""
    async with db.begin() as connection:
        await store.lock_accounts(connection)
        account = await store.by_number(connection, tenant, account_no)
        if wanted.role is not None and wanted.role != account.role:
            await store.change(connection, tenant, account_no, role=wanted.role)
            await audit.record(connection, tenant, by, "change role", "account", account.email, note=f"{account.role} to {wanted.role}")
        if wanted.disabled is not None and wanted.disabled != (account.disabled_at is not None):
            await store.change(connection, tenant, account_no, disabled_at=store.now() if wanted.disabled else None)
            await audit.record(connection, tenant, by, "disable" if wanted.disabled else "enable", "account", account.email)
        if not await store.remaining_admins(connection, tenant):
            raise Conflict("Somebody must stay administrator: give another account the role first.")
        if wanted.reset or wanted.disabled:
            await store.end_sessions(connection, tenant, account_no)
        if wanted.reset:
            await store.change(connection, tenant, account_no, password_hash=None, totp_sealed=None, totp_on=False)
            await audit.record(connection, tenant, by, "reset", "account", account.email)
            return await _invited(connection, tenant, account_no, "invite", _INVITE_S)
        return Invited(account=_view(await store.by_number(connection, tenant, account_no)))


async def begin_factor(db: Database, settings: Settings, who: Known) -> Factor:
    """Make the secret of a second factor; it holds once `change_own` was given a code of it. Raises Conflict where one is on."""
    async with db.begin() as connection:
        account = await store.by_number(connection, who.principal.tenant, who.account_no)
        if account.totp_on:
            raise Conflict("A second factor is on; switch it off first.")
        secret = passwords.new_totp()
        bound = f"{who.principal.tenant}:{who.account_no}".encode()
        sealed = seal(derive(settings, "second-factors"), secret.encode(), bound)
        await store.change(connection, who.principal.tenant, who.account_no, totp_sealed=sealed)
    return Factor(secret=secret, address=passwords.totp_address(secret, who.email))


async def change_own(db: Database, settings: Settings, who: Known, wanted: OwnChange) -> None:
    """Change one's own password or second factor; ends all other sessions. Raises BadRequest for a wrong password, Invalid."""
    tenant = who.principal.tenant
    async with db.begin() as connection:
        account = await store.by_number(connection, tenant, who.account_no)
        if account.password_hash is not None and not await passwords.matches(account.password_hash, wanted.password.get_secret_value()):
            raise BadRequest("The present password is wrong.")
        if wanted.new_password is not None:
            try:
                check_password(wanted.new_password.get_secret_value(), account.email)
            except RuleBroken as error:
                raise Invalid(str(error)) from None
            hashed = await passwords.hashed(wanted.new_password.get_secret_value())
            await store.change(connection, tenant, who.account_no, password_hash=hashed)
            await audit.record(connection, tenant, who.email, "change password", "account", account.email)
        if wanted.factor_off:
            await store.change(connection, tenant, who.account_no, totp_sealed=None, totp_on=False)
            await audit.record(connection, tenant, who.email, "second factor off", "account", account.email)
        elif wanted.code:
            await _factor_on(connection, settings, who, account, wanted.code)
        await store.end_sessions(connection, tenant, who.account_no, but=who.session_no)


async def _factor_on(connection: AsyncConnection, settings: Settings, who: Known, account: Row[Any], code: str) -> None:
    tenant = who.principal.tenant
    if account.totp_sealed is None:
        raise BadRequest("Begin the second factor first.")
    step = passwords.totp_step(factor_secret(settings, tenant, who.account_no, account.totp_sealed), code, account.totp_last)
    if step is None:
        raise BadRequest("The code is wrong; is the clock of the phone right?")
    await store.change(connection, tenant, who.account_no, totp_on=True, totp_last=step)
    await audit.record(connection, tenant, who.email, "second factor on", "account", account.email)


async def sessions(db: Database, settings: Settings, who: Known) -> list[Session]:
    """Return one's own open sessions, the last used first."""
    async with db.begin() as connection:
        rows = await store.sessions(connection, who.principal.tenant, who.account_no, settings.session_idle_s)
    return [Session(**row._mapping, current=row.session_no == who.session_no) for row in rows]


async def end_session(db: Database, who: Known, session_no: int | None) -> int:
    """End one of one's own sessions, or all but this one; return how many ended."""
    async with db.begin() as connection:
        but = None if session_no is not None else who.session_no
        return await store.end_sessions(connection, who.principal.tenant, who.account_no, only=session_no, but=but)


async def first_link(db: Database, tenant: int, email: str = "admin@localhost", purpose: str = "first") -> str | None:
    """Return the link for the very first administrator, None once somebody has entered; each call makes the one before worthless."""
    async with db.begin() as connection:
        await store.lock_accounts(connection)
        there = await store.accounts(connection, tenant)
        mine = next((row for row in there if row.email == email), None)
        if purpose == "first" and any(row.password_hash is not None or row.email != email or row.seen_at is not None for row in there):
            return None
        number = mine.account_no if mine else await store.add(connection, tenant, email, "", Role.ADMIN)
        assert number is not None
        made = await _invited(connection, tenant, number, purpose, _DEMO_S if purpose == "demo" else _FIRST_S)
    return made.link


async def _invited(connection: AsyncConnection, tenant: int, account_no: int, purpose: str, lasts_s: int) -> Invited:
    link = secrets.token_urlsafe(24)
    await store.add_link(connection, tenant, account_no, digest(link), purpose, lasts_s)
    return Invited(account=_view(await store.by_number(connection, tenant, account_no)), link=link)


def _view(row: Row[Any]) -> Account:
    return Account(
        account_no=row.account_no,
        email=row.email,
        name=row.name,
        role=row.role,
        second_factor=row.totp_on,
        invited=row.password_hash is None,
        disabled=row.disabled_at is not None,
        created_at=row.created_at,
        seen_at=getattr(row, "seen_at", None),
    )
