"""`morsel people`: what is known of a person, merges of their ids, and erasure."""

from enum import StrEnum
from typing import Annotated

import typer

from app.commands.running import DEFAULT, Context, Tenant, fail, show, with_database
from app.core.ids import IdentityKind
from app.data.people import erasing, service, shown, unmerging
from app.data.people.domain import Identity
from app.data.people.schemas import ErasedOut, MergeOut, MergesOut, PersonOut, UndoneOut

app = typer.Typer(no_args_is_help=True, help="What is known of people, merges of their ids, and erasure.")


class By(StrEnum):
    """How the id names the person."""

    USER_ID = "user_id"
    ANONYMOUS_ID = "anonymous_id"
    EMAIL_SHA256 = "email_sha256"


Named = Annotated[By, typer.Option("--by", help="What the id is: user_id, anonymous_id or email_sha256.")]


@app.command("show")
def show_person(
    user_id: str,
    by: Named = By.USER_ID,
    tenant: Tenant = DEFAULT,
) -> None:
    """Show what is known of a person."""

    async def work(context: Context) -> PersonOut | None:
        return await shown.person(context.db, context.settings, context.tenant, _identity(user_id, by))

    found = with_database(work, tenant)
    if found is None:
        fail("nobody is known under this id")
    show(found.model_dump(mode="json"))


@app.command("merges")
def merges(user_id: str, by: Named = By.USER_ID, tenant: Tenant = DEFAULT) -> None:
    """List which ids of a person were merged, why and when, those that were undone too."""

    async def work(context: Context) -> list[unmerging.Merge] | None:
        return await unmerging.merges_of(context.db, context.tenant, _identity(user_id, by))

    found = with_database(work, tenant)
    if found is None:
        fail("nobody is known under this id")
    show(MergesOut(merges=[MergeOut.of(one) for one in found]).model_dump(mode="json"))


@app.command("unmerge")
def unmerge(user_id: str, merge_no: int, by: Named = By.USER_ID, tenant: Tenant = DEFAULT) -> None:
    """Take a merge back: each side has its own events again."""

    async def work(context: Context) -> UndoneOut | None:
        done = await unmerging.undo(context.db, context.settings, context.tenant, _identity(user_id, by), merge_no)
        if done is None:
            return None
        applied = [await service.wait_applied(context.db, context.tenant, number) for number in done[1]]
        return UndoneOut(**MergeOut.of(done[0]).model_dump(), applied=all(applied))

    found = with_database(work, tenant)
    if found is None:
        fail("this person has no such merge")
    show(found.model_dump(mode="json"))


@app.command("erase")
def erase(user_id: str, by: Named = By.USER_ID, tenant: Tenant = DEFAULT) -> None:
    """Erase a person with all ids merged with this one, and print the receipt. It cannot be taken back."""

    async def work(context: Context) -> ErasedOut | None:
        receipt = await erasing.erase(context.db, context.settings, context.tenant, _identity(user_id, by))
        if receipt is None:
            return None
        return ErasedOut(**vars(receipt), applied=await service.wait_applied(context.db, context.tenant, receipt.receipt))

    found = with_database(work, tenant)
    if found is None:
        fail("nobody is known under this id")
    show(found.model_dump(mode="json"))


def _identity(user_id: str, by: By) -> Identity:
    return int(IdentityKind[by.name]), user_id.lower() if by is By.EMAIL_SHA256 else user_id
