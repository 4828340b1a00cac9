"""`morsel accounts`: people who may sign in to the dashboard."""

from typing import Annotated

import typer
from pydantic import ValidationError

from app.access.accounts import service
from app.access.accounts.domain import Role
from app.access.accounts.schemas import AccountChange, Invited, NewAccount
from app.access.service import COMMAND
from app.commands.context import DEFAULT, Context, Tenant, fail, show, with_database
from app.core.errors import NotFound

app = typer.Typer(no_args_is_help=True, help="People who may sign in to the dashboard.")
Email = Annotated[str, typer.Argument(help="Their address.")]


@app.command("list")
def list_accounts(tenant: Tenant = DEFAULT) -> None:
    """List everybody who may sign in."""
    found = with_database(lambda context: service.listed(context.db, context.tenant), tenant)
    show([one.model_dump(mode="json") for one in found])


@app.command("invite")
def invite(email: Email, role: Annotated[Role, typer.Option(help="What they may do.")] = Role.VIEWER, tenant: Tenant = DEFAULT) -> None:
    """Invite somebody, and print the link that lets them in, this once: put it behind the dashboard's address as /enter?link=..."""
    try:
        wanted = NewAccount(email=email, role=role)
    except ValidationError:
        fail(f"{email} is no address")
    show(with_database(lambda context: service.invite(context.db, context.tenant, COMMAND, wanted), tenant).model_dump(mode="json"))


@app.command("reset")
def reset(email: Email, tenant: Tenant = DEFAULT) -> None:
    """Let somebody begin anew: end their sessions, forget password and second factor, and print a new link."""
    _change(email, AccountChange(reset=True), tenant)


@app.command("role")
def role(email: Email, role: Annotated[Role, typer.Argument(help="What they may do from now on.")], tenant: Tenant = DEFAULT) -> None:
    """Give somebody another role."""
    _change(email, AccountChange(role=role), tenant)


@app.command("disable")
def disable(email: Email, tenant: Tenant = DEFAULT) -> None:
    """Shut somebody out; their sessions end at once."""
    _change(email, AccountChange(disabled=True), tenant)


@app.command("enable")
def enable(email: Email, tenant: Tenant = DEFAULT) -> None:
    """Let somebody in again."""
    _change(email, AccountChange(disabled=False), tenant)


def _change(email: str, wanted: AccountChange, tenant: str) -> None:
    async def work(context: Context) -> Invited:
        for one in await service.listed(context.db, context.tenant):
            if one.email.lower() == email.strip().lower():
                return await service.change(context.db, context.tenant, COMMAND, one.account_no, wanted)
        raise NotFound(f"There is no account {email}.")

    show(with_database(work, tenant).model_dump(mode="json"))
