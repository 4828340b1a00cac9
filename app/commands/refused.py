"""`morsel refused`: events that were refused: list, show, put right and replay, forget."""

from typing import Annotated, Any

import orjson
import typer

from app.commands.context import DEFAULT, Context, Tenant, fail, show, with_database
from app.data.events.refused import service, store
from app.data.events.refused.refusal import Fix, sent
from app.data.events.refused.schemas import outcome, summary

app = typer.Typer(no_args_is_help=True, help="Refused events: list, show, put right and replay, forget.")
Number = Annotated[int, typer.Argument(min=1, help="Number of the refused event.")]
Reason = Annotated[str | None, typer.Option(help="Only those of this reason.")]
Changes = Annotated[str | None, typer.Option(help='JSON merge patch of the event, such as \'{"event": "Product Viewed"}\'.')]


def _object(text: str | None, option: str) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        fail(f"{option} is not valid JSON")
    if not isinstance(found, dict):
        fail(f"{option} must be a JSON object")
    return found


@app.command("list")
def list_refused(reason: Reason = None, limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100, tenant: Tenant = DEFAULT) -> None:
    """List refused events, the newest first, and how often each reason occurred."""

    async def work(context: Context) -> dict[str, Any]:
        rows = await service.listed(context.db, context.tenant, reason, store.HIGHEST, limit)
        counted = await store.reasons(context.db, context.tenant)
        return {
            "reasons": [{"reason": why, "count": count, "newest": newest} for why, count, newest in counted],
            "refused": [summary(row).model_dump() for row in rows],
        }

    show(with_database(work, tenant))


@app.command("show")
def show_refused(number: Number, tenant: Tenant = DEFAULT) -> None:
    """Show a refused event with what was sent."""

    async def work(context: Context) -> dict[str, Any]:
        row, kept = await service.shown(context.db, context.settings, context.tenant, number)
        return {**summary(row).model_dump(), "message": sent(kept)}

    show(with_database(work, tenant))


@app.command("replay")
def replay(
    number: Annotated[int | None, typer.Argument(min=1, help="Number of the refused event; none: all, or those of a reason.")] = None,
    reason: Reason = None,
    message: Annotated[str | None, typer.Option(help="JSON that takes the place of one event.")] = None,
    changes: Changes = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the oldest first.")] = 1_000_000,
    tenant: Tenant = DEFAULT,
) -> None:
    """Put refused events right and store them; those that are still wrong stay, with their new reason."""
    fix = Fix(_object(message, "--message"), _object(changes, "--changes"))
    if fix.message is not None and (number is None or fix.changes is not None):
        fail("--message takes the place of one event: give its number, and no --changes")

    async def work(context: Context) -> dict[str, Any]:
        if number is not None:
            told = await service.replay_one(context.db, context.settings, context.tenant, number, fix)
        else:
            told = await service.replay(context.db, context.settings, context.tenant, reason, limit, fix)
        return outcome(told).model_dump()

    show(with_database(work, tenant))


@app.command("forget")
def forget(
    number: Annotated[int | None, typer.Argument(min=1, help="Number of the refused event.")] = None,
    reason: Reason = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    tenant: Tenant = DEFAULT,
) -> None:
    """Forget refused events."""
    if (number is not None) + (reason is not None) + everything != 1:
        fail("give a number, --reason or --all")

    async def work(context: Context) -> dict[str, int]:
        if number is not None:
            await service.drop_one(context.db, context.tenant, number)
            return {"forgotten": 1}
        return {"forgotten": await store.drop_reason(context.db, context.tenant, reason)}

    show(with_database(work, tenant))
