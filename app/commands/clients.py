"""`morsel clients` and `morsel keys`: credentials."""

from typing import Annotated, Any, Literal

import typer

from app.access import service
from app.access.domain import ClientKind, KeyKind, OnLimit, Scope
from app.access.schemas import NewClient, NewKey
from app.access.tokens import rotation
from app.commands.context import DEFAULT, Context, Tenant, given, show, with_database
from app.decisions.placements import service as placements_service
from app.documents.kinds import nearest

app = typer.Typer(no_args_is_help=True, help="Programs that may call, and their keys.")
Names = Annotated[str, typer.Option(help="Comma-separated; empty means no bound.")]


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


@app.command("create")
def create(
    name: Annotated[str, typer.Option(help="What people call it.")],
    kind: Annotated[ClientKind, typer.Option(help="What it is; decides what happens over its limit.")] = ClientKind.SERVICE,
    scopes: Annotated[str, typer.Option(help="Comma-separated scopes.")] = "recommend",
    rate_limit: Annotated[str, typer.Option(help="Such as 6000/minute; empty means the default.")] = "",
    on_limit: Annotated[str, typer.Option(help="popular or reject; empty means what its kind gets.")] = "",
    placements: Names = "",
    origins: Names = "",
    key: Annotated[KeyKind | None, typer.Option(help="Also make a key of this kind.")] = None,
    tenant: Tenant = DEFAULT,
) -> None:
    """Create a client and print its id and secret, this once."""
    with given():
        wanted = NewClient(
            name=name,
            kind=kind,
            scopes=_scopes(scopes),
            rate_limit=rate_limit or None,
            on_limit=_on_limit(on_limit),
            placements=_list(placements),
            origins=_list(origins),
        )
        new_key = NewKey(kind=key or KeyKind.API, placements=_list(placements), origins=_list(origins))

    async def work(context: Context) -> dict[str, Any]:
        await _tell_unknown(context, wanted.placements)
        if key is None:
            return (await service.create_client(context.db, context.settings, context.tenant, wanted)).model_dump(mode="json")
        client, made = await service.create_client_with_key(context.db, context.settings, context.tenant, wanted, new_key)
        return {**client.model_dump(mode="json"), "key": made.key}

    show(with_database(work, tenant))


def _scopes(text: str) -> list[Scope]:
    wrong = next((word for word in _list(text) if word not in list(Scope)), "")
    if wrong:
        raise typer.BadParameter(f"there is no scope {wrong}{nearest(wrong, Scope)}; there are {', '.join(Scope)}", param_hint="--scopes")
    return [Scope(word) for word in _list(text)]


async def _tell_unknown(context: Context, names: list[str]) -> None:
    """Warn of placements that nobody published: the credential would show nothing."""
    known = [one.name for one in await placements_service.listed(context.db, context.tenant)] if names else []
    for name in names:
        if name not in known:
            typer.echo(f"warning: there is no placement {name} yet{nearest(name, known)}", err=True)


def _on_limit(text: str) -> OnLimit | None:
    if text not in ("", "popular", "reject"):
        raise typer.BadParameter("popular or reject", param_hint="--on-limit")
    return "popular" if text == "popular" else "reject" if text == "reject" else None


@app.command("list")
def list_clients(tenant: Tenant = DEFAULT) -> None:
    """List clients and keys, without secrets."""

    async def work(context: Context) -> dict[str, Any]:
        clients, keys = await service.list_clients(context.db, context.settings, context.tenant)
        return {"clients": [one.model_dump(mode="json") for one in clients], "keys": [one.model_dump(mode="json") for one in keys]}

    show(with_database(work, tenant))


@app.command("revoke")
def revoke(client_id: str, tenant: Tenant = DEFAULT) -> None:
    """Revoke a client with its keys and tokens."""
    with_database(lambda context: service.revoke_client(context.db, context.tenant, client_id), tenant)
    typer.echo(f"revoked {client_id}")


@app.command("create-key")
def create_key(client_id: str, kind: KeyKind = KeyKind.API, placements: Names = "", origins: Names = "", tenant: Tenant = DEFAULT) -> None:
    """Create a key of a client and print it, this once."""
    with given():
        wanted = NewKey(kind=kind, placements=_list(placements), origins=_list(origins))

    async def work(context: Context) -> dict[str, Any]:
        await _tell_unknown(context, wanted.placements)
        return (await service.create_key(context.db, context.tenant, client_id, wanted)).model_dump(mode="json")

    show(with_database(work, tenant))


@app.command("revoke-key")
def revoke_key(key_no: int, tenant: Tenant = DEFAULT) -> None:
    """Revoke a key by its number."""
    with_database(lambda context: service.revoke_key(context.db, context.tenant, key_no), tenant)
    typer.echo(f"revoked key {key_no}")


@app.command("rotate")
def rotate(
    purpose: Annotated[str, typer.Option(help="token or link.")] = "token",
    compromised: Annotated[bool, typer.Option(help="Stop believing the old keys at once.")] = False,
    tenant: Tenant = DEFAULT,
) -> None:
    """Make a new signing key."""
    if purpose not in ("token", "link"):
        raise typer.BadParameter("token or link", param_hint="--purpose")
    which: Literal["token", "link"] = "token" if purpose == "token" else "link"
    made = with_database(
        lambda context: rotation.rotate(context.db, context.settings, context.tenant, which, compromised=compromised), tenant
    )
    show(made.model_dump(mode="json"))
