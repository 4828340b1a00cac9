"""`morsel people`: what is known of a person, merges of their ids, and erasure."""

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from app.access.service import COMMAND
from app.commands.context import DEFAULT, Context, Tenant, fail, show, with_database
from app.commands.data import bar, told
from app.data.identity import unmerging, watched
from app.data.identity.domain import identity_of
from app.data.imports.report import Report
from app.data.people import finding, trait_files, view
from app.data.people.schemas import ErasedOut, FoundPeople, MergeOut, MergesOut, PersonOut, UndoneOut
from app.data.privacy import consent, erasing

app = typer.Typer(no_args_is_help=True, help="What is known of people, merges of their ids, and erasure.")


class By(StrEnum):
    """How the id names the person."""

    USER_ID = "user_id"
    ANONYMOUS_ID = "anonymous_id"
    EMAIL_SHA256 = "email_sha256"


class ImportBy(StrEnum):
    """How rows of a file name people."""

    USER_ID = "user_id"
    ANONYMOUS_ID = "anonymous_id"
    EMAIL_SHA256 = "email_sha256"
    EMAIL = "email"


Named = Annotated[By, typer.Option("--by", help="What the id is: user_id, anonymous_id or email_sha256.")]


@app.command("list")
def list_people(
    q: Annotated[str, typer.Option("--q", help="Any id, an e-mail address, or the beginning of an id.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most so many.")] = 20,
    before: Annotated[str, typer.Option(help="Where the page before ended: its `next`.")] = "",
    tenant: Tenant = DEFAULT,
) -> None:
    """List people: those last seen, or those of an id."""

    async def work(context: Context) -> FoundPeople:
        return await finding.find(context.db, context.tenant, q, limit, before)

    show(with_database(work, tenant).model_dump(mode="json"))


@app.command("show")
def show_person(
    user_id: str,
    by: Named = By.USER_ID,
    tenant: Tenant = DEFAULT,
) -> None:
    """Show what is known of a person."""

    async def work(context: Context) -> PersonOut | None:
        await watched.read(context.db, context.settings, context.tenant, COMMAND, identity_of(user_id, by))
        return await view.person(context.db, context.settings, context.tenant, identity_of(user_id, by))

    found = with_database(work, tenant)
    if found is None:
        fail("nobody is known under this id")
    show(found.model_dump(mode="json"))


@app.command("import")
def import_people(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="CSV, TSV, JSON lines or spreadsheets, .gz too.")],
    id: Annotated[str, typer.Option(help="The column that holds the ids.")] = "user_id",
    by: Annotated[ImportBy, typer.Option(help="What the ids are; of an e-mail address the hash alone is kept.")] = ImportBy.USER_ID,
    text: Annotated[list[str] | None, typer.Option(help="Keep a column as text, such as postcodes; may be repeated.")] = None,
    as_of: Annotated[datetime | None, typer.Option(help="The moment of which the files tell (UTC); default: now.")] = None,
    format: Annotated[str, typer.Option(help="csv, tsv, jsonl or xlsx; default: by the file's name.")] = "",
    encoding: Annotated[str, typer.Option(help="Encoding of text files.")] = "utf-8",
    delimiter: Annotated[str, typer.Option(help="What separates columns; default: what the header shows.")] = "",
    tenant: Tenant = DEFAULT,
) -> None:
    """Import traits of people from files: a row a person, a column a trait; tell which rows were refused, and why."""
    moment = as_of.replace(tzinfo=UTC) if as_of is not None and as_of.tzinfo is None else as_of
    form = trait_files.Form(id, by.value, moment, text or (), format, encoding, delimiter.replace("\\t", "\t"))

    async def work(context: Context) -> Report:
        with bar("people") as progress:
            return await trait_files.import_traits(
                context.db, context.settings, context.tenant, files, form, who=COMMAND, progress=progress
            )  # fmt: skip

    told(work, tenant)


@app.command("merges")
def merges(user_id: str, by: Named = By.USER_ID, tenant: Tenant = DEFAULT) -> None:
    """List which ids of a person were merged, why and when, those that were undone too."""

    async def work(context: Context) -> list[unmerging.Merge] | None:
        await watched.read(context.db, context.settings, context.tenant, COMMAND, identity_of(user_id, by), "merges")
        return await unmerging.merges_of(context.db, context.tenant, identity_of(user_id, by))

    found = with_database(work, tenant)
    if found is None:
        fail("nobody is known under this id")
    show(MergesOut(merges=[MergeOut.of(one) for one in found]).model_dump(mode="json"))


@app.command("unmerge")
def unmerge(user_id: str, merge_no: int, by: Named = By.USER_ID, tenant: Tenant = DEFAULT) -> None:
    """Take a merge back: each side has its own events again."""

    async def work(context: Context) -> UndoneOut | None:
        done = await unmerging.undo(context.db, context.settings, context.tenant, identity_of(user_id, by), merge_no, who=COMMAND)
        if done is None:
            return None
        applied = [await consent.wait_applied(context.db, context.tenant, number) for number in done[1]]
        return UndoneOut(**MergeOut.of(done[0]).model_dump(), applied=all(applied))

    found = with_database(work, tenant)
    if found is None:
        fail("this person has no such merge")
    show(found.model_dump(mode="json"))


@app.command("erase")
def erase(user_id: str, by: Named = By.USER_ID, tenant: Tenant = DEFAULT) -> None:
    """Erase a person with all ids merged with this one, and print the receipt. It cannot be taken back."""

    async def work(context: Context) -> ErasedOut | None:
        receipt = await erasing.erase(context.db, context.settings, context.tenant, identity_of(user_id, by), who=COMMAND)
        if receipt is None:
            return None
        return ErasedOut(**vars(receipt), applied=await consent.wait_applied(context.db, context.tenant, receipt.receipt))

    found = with_database(work, tenant)
    if found is None:
        fail("nobody is known under this id")
    show(found.model_dump(mode="json"))
