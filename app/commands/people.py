"""`morsel people`: what is known of a person."""

from enum import StrEnum
from typing import Annotated

import typer

from app.commands.running import DEFAULT, Context, Tenant, fail, show, with_database
from app.core.ids import IdentityKind
from app.data.people import shown
from app.data.people.schemas import PersonOut

app = typer.Typer(no_args_is_help=True, help="What is known of people.")


@app.callback()
def group() -> None:
    """Keep the name of the only command below the group."""


class By(StrEnum):
    """How the id names the person."""

    USER_ID = "user_id"
    ANONYMOUS_ID = "anonymous_id"
    EMAIL_SHA256 = "email_sha256"


@app.command("show")
def show_person(
    user_id: str,
    by: Annotated[By, typer.Option(help="What the id is: user_id, anonymous_id or email_sha256.")] = By.USER_ID,
    tenant: Tenant = DEFAULT,
) -> None:
    """Show what is known of a person."""
    identity = (int(IdentityKind[by.name]), user_id.lower() if by is By.EMAIL_SHA256 else user_id)

    async def work(context: Context) -> PersonOut | None:
        return await shown.person(context.db, context.settings, context.tenant, identity)

    found = with_database(work, tenant)
    if found is None:
        fail("nobody is known under this id")
    show(found.model_dump(mode="json"))
