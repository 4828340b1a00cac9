"""Admin routes of access: clients, keys and signing keys of the caller's own tenant."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request

from app.access import service
from app.access.deps import PROTECTED, access_of, problems, require
from app.access.domain import Principal, Scope
from app.access.runtime import reachable
from app.access.schemas import ClientList, CreatedClient, CreatedKey, Done, NewClient, NewKey, Rotated, Rotation
from app.access.tokens import rotation

router = APIRouter(prefix="/v1/admin", tags=["access"], responses={**PROTECTED, **problems(503)})

Admin = Annotated[Principal, Depends(require(Scope.ADMIN))]
Keeper = Annotated[Principal, Depends(require(Scope.ACCESS))]
Reader = Annotated[Principal, Depends(require(Scope.ADMIN_READ))]
ClientId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
KeyNo = Annotated[int, Path(ge=1, le=2**31 - 1)]


@router.get("/clients", summary="List clients and their keys")
async def list_clients(request: Request, caller: Reader) -> ClientList:
    """Return every client and key of the tenant, without secrets."""
    access = access_of(request)
    async with reachable(access.db) as db:
        clients, keys = await service.list_clients(db, access.settings, caller.tenant)
    return ClientList(clients=clients, keys=keys)


@router.post("/clients", status_code=201, summary="Create a client")
async def create_client(request: Request, caller: Keeper, wanted: NewClient) -> CreatedClient:
    """Create a client and return its secret, this once."""
    access = access_of(request)
    async with reachable(access.db) as db:
        service.check_given(wanted.scopes, caller.scopes)
        made = await service.create_client(db, access.settings, caller.tenant, wanted, caller.who)
    await access.follow()
    return made


@router.delete("/clients/{client_id}", summary="Revoke a client", responses=problems(404))
async def revoke_client(request: Request, caller: Keeper, client_id: ClientId) -> Done:
    """Revoke a client, its keys and its tokens."""
    access = access_of(request)
    async with reachable(access.db) as db:
        await service.revoke_client(db, caller.tenant, client_id, caller.who)
    await access.follow()
    return Done()


@router.post("/clients/{client_id}/keys", status_code=201, summary="Create an API key", responses=problems(404))
async def create_key(request: Request, caller: Keeper, client_id: ClientId, wanted: NewKey) -> CreatedKey:
    """Create a key of a client and return it, this once."""
    access = access_of(request)
    async with reachable(access.db) as db:
        made = await service.create_key(db, caller.tenant, client_id, wanted, caller.who, caller.scopes)
    await access.follow()
    return made


@router.delete("/keys/{key_no}", summary="Revoke an API key", responses=problems(404))
async def revoke_key(request: Request, caller: Keeper, key_no: KeyNo) -> Done:
    """Revoke a key."""
    access = access_of(request)
    async with reachable(access.db) as db:
        await service.revoke_key(db, caller.tenant, key_no, caller.who)
    await access.follow()
    return Done()


@router.post("/signing-keys/rotate", summary="Rotate signing keys")
async def rotate(request: Request, caller: Admin, how: Rotation) -> Rotated:
    """Make a new signing key; the old public key stays until every token that it signed has expired."""
    access = access_of(request)
    async with reachable(access.db) as db:
        made = await rotation.rotate(db, access.settings, caller.tenant, how.purpose, compromised=how.compromised)
    await access.follow()
    return made
