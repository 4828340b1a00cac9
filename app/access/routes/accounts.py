"""Routes of people who sign in: sessions, accounts, second factors, and the audit log."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request

from app.access import audit, service
from app.access.accounts import provider, signing_in
from app.access.accounts import service as accounts
from app.access.accounts.domain import SCOPES
from app.access.accounts.schemas import (
    AccountChange,
    AccountList,
    AuditLine,
    AuditPage,
    BeginProvider,
    Begun,
    Enter,
    Factor,
    FinishProvider,
    Invited,
    LinkView,
    Me,
    NewAccount,
    Opened,
    OwnChange,
    ProviderView,
    SessionList,
    SignIn,
    Text,
)
from app.access.accounts.signing_in import Known
from app.access.deps import PROTECTED, access_of, problems, require, signed_in
from app.access.domain import Principal, Scope
from app.access.runtime import reachable
from app.access.schemas import Done
from app.core.ids import DEFAULT_TENANT_NAME

router = APIRouter(prefix="/v1/admin", tags=["accounts"], responses={**PROTECTED, **problems(503)})
door = APIRouter(prefix="/login", tags=["login"], responses=problems(400, 413, 422, 429, 503))
"""Where nobody is signed in yet."""

Admin = Annotated[Principal, Depends(require(Scope.ADMIN, readers=False))]
Reader = Annotated[Principal, Depends(require(Scope.ADMIN_READ))]
SignedIn = Annotated[Known, Depends(signed_in)]
AccountNo = Annotated[int, Path(ge=1, le=2**31 - 1)]
Tenant = Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$", description="Name of the tenant to sign in to.")]


@door.post("", status_code=201, summary="Sign in", responses=problems(401, 404))
async def sign_in(request: Request, wanted: SignIn, tenant: Tenant = DEFAULT_TENANT_NAME) -> Opened:
    """Open a session; its token is sent as Bearer. Each wrong password after the fourth doubles the pause before the next try."""
    access = access_of(request)
    async with reachable(access.db) as db:
        return await signing_in.sign_in(db, access.settings, await service.tenant_number(db, tenant), wanted)


@door.get("/provider", summary="Tell by whom people may sign in")
async def show_provider(request: Request) -> ProviderView:
    """Name the provider that people may sign in by, empty where there is none."""
    return ProviderView(name=provider.name_of(access_of(request).settings))


@door.post("/provider", summary="Begin to sign in by the provider", responses=problems(401, 404, 502))
async def begin_by_provider(request: Request, wanted: BeginProvider, tenant: Tenant = DEFAULT_TENANT_NAME) -> Begun:
    """Return the provider's address to send the browser to, and the state that comes back; it holds for ten minutes."""
    address, state = await provider.begin(access_of(request).settings, tenant, wanted.redirect_uri)
    return Begun(address=address, state=state)


@door.post("/provider/finish", status_code=201, summary="Sign in by the provider", responses=problems(401, 403, 404, 502))
async def finish_by_provider(request: Request, wanted: FinishProvider) -> Opened:
    """Open a session for the address that the provider vouches for, once its id_token is verified."""
    access = access_of(request)
    who = await provider.finish(access.settings, wanted.code, wanted.state)
    async with reachable(access.db) as db:
        return await signing_in.enter_by_provider(db, access.settings, await service.tenant_number(db, who.tenant), who, wanted.agent)


@door.get("/links/{link}", summary="Look at a one-time link", responses=problems(404))
async def look_at_link(request: Request, link: Annotated[str, Path(max_length=100, pattern=r"^[A-Za-z0-9_-]+$")]) -> LinkView:
    """Say where a link leads without using it."""
    async with reachable(access_of(request).db) as db:
        return await signing_in.look_at_link(db, link)


@door.post("/links", status_code=201, summary="Enter by a one-time link", responses=problems(404))
async def enter(request: Request, wanted: Enter) -> Opened:
    """Open a session by a link; an invitation needs the password that is to hold from now on."""
    access = access_of(request)
    async with reachable(access.db) as db:
        return await signing_in.enter(db, access.settings, wanted)


@router.get("/sessions", summary="List one's own sessions")
async def list_sessions(request: Request, who: SignedIn) -> SessionList:
    """Return the caller's open sessions, the last used first."""
    access = access_of(request)
    async with reachable(access.db) as db:
        return SessionList(sessions=await accounts.sessions(db, access.settings, who))


@router.delete("/sessions/current", summary="Sign out")
async def sign_out(request: Request, who: SignedIn) -> Done:
    """End this session."""
    async with reachable(access_of(request).db) as db:
        await accounts.end_session(db, who, who.session_no)
    return Done()


@router.delete("/sessions/{session_no}", summary="End another session")
async def end_session(request: Request, who: SignedIn, session_no: Annotated[int, Path(ge=1, le=2**63 - 1)]) -> Done:
    """End one of the caller's sessions; it has no effect on one that is over."""
    async with reachable(access_of(request).db) as db:
        await accounts.end_session(db, who, session_no)
    return Done()


@router.get("/me", summary="Say who calls")
async def me(request: Request, caller: Reader) -> Me:
    """Return who calls and what they may do."""
    known: Known | None = getattr(request.state, "known", None)
    if known is None:
        return Me(email="", name=caller.client_id, role=None, scopes=sorted(caller.scopes), second_factor=False)
    return Me(email=known.email, name=known.name, role=known.role, scopes=sorted(SCOPES[known.role]), second_factor=known.second_factor)


@router.patch("/me", summary="Change one's own password or second factor")
async def change_me(request: Request, who: SignedIn, wanted: OwnChange) -> Done:
    """Change the password or the second factor; all other sessions end."""
    access = access_of(request)
    async with reachable(access.db) as db:
        await accounts.change_own(db, access.settings, who, wanted)
    return Done()


@router.post("/me/second-factor", status_code=201, summary="Begin a second factor", responses=problems(409))
async def begin_factor(request: Request, who: SignedIn) -> Factor:
    """Make the secret of a second factor; it holds once a code of it was sent to `PATCH /v1/admin/me`."""
    access = access_of(request)
    async with reachable(access.db) as db:
        return await accounts.begin_factor(db, access.settings, who)


@router.get("/accounts", summary="List accounts")
async def list_accounts(request: Request, caller: Admin) -> AccountList:
    """Return everybody who may sign in."""
    async with reachable(access_of(request).db) as db:
        return AccountList(accounts=await accounts.listed(db, caller.tenant))


@router.post("/accounts", status_code=201, summary="Invite somebody", responses=problems(409))
async def invite(request: Request, caller: Admin, wanted: NewAccount) -> Invited:
    """Add an account and return the link that lets its owner in, this once; it holds for a week."""
    async with reachable(access_of(request).db) as db:
        return await accounts.invite(db, caller.tenant, caller.who, wanted)


@router.patch("/accounts/{account_no}", summary="Change an account", responses=problems(404, 409))
async def change_account(request: Request, caller: Admin, account_no: AccountNo, wanted: AccountChange) -> Invited:
    """Give an account another role, switch it off or on, or reset it: then a new link comes back."""
    async with reachable(access_of(request).db) as db:
        return await accounts.change(db, caller.tenant, caller.who, account_no, wanted)


@router.get("/audit", summary="Read the audit log")
async def read_audit(
    request: Request,
    caller: Reader,
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="Lines below this number.")] = None,
    since: Annotated[datetime | None, Query(alias="from")] = None,
    until: Annotated[datetime | None, Query(alias="to")] = None,
    kind: Annotated[Text, Query(description="Such as `placement`, `account`, `person`.")] = "",
    who: Annotated[Text, Query(description="An address, or `client` and an id.")] = "",
    q: Annotated[Text, Query(description="A part of the name.")] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> AuditPage:
    """Return who did what, newest first."""
    async with reachable(access_of(request).db) as db:
        rows = await audit.lines(db, caller.tenant, before=before, since=since, until=until, kind=kind, who=who, q=q, most=limit + 1)
    found = [AuditLine(**dict(zip(AuditLine.model_fields, row, strict=True))) for row in rows[:limit]]
    return AuditPage(lines=found, next=found[-1].audit_no if len(rows) > limit else None)
