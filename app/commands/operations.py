"""`morsel status` and `morsel audit`: how things stand, and who changed what."""

from typing import Annotated, Any

import typer

from app.access import audit as ledger
from app.access.accounts.schemas import AuditLine
from app.commands.context import DEFAULT, Context, Tenant, show, with_database
from app.operations.findings import findings
from app.operations.health import health


def status(tenant: Tenant = DEFAULT) -> None:
    """Say what needs a human, and how PostgreSQL, Redis, disk and worker are."""

    async def work(context: Context) -> dict[str, Any]:
        found = context.settings.model_copy(update={"database_url": context.urls.database_url, "redis_url": context.urls.redis_url})
        told = await health(context.db, found, context.tenant)
        needs = await findings(context.db, context.tenant)
        return {"findings": [one.model_dump() for one in needs], **told.model_dump(mode="json", exclude={"settings"})}

    show(with_database(work, tenant))


def audit(
    kind: Annotated[str, typer.Option(help="Such as placement, client, person.")] = "",
    who: Annotated[str, typer.Option(help="An address, or `client` and an id.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Lines at most.")] = 50,
    tenant: Tenant = DEFAULT,
) -> None:
    """Print who did what, newest first."""

    async def work(context: Context) -> list[Any]:
        return list(
            await ledger.lines(context.db, context.tenant, before=None, since=None, until=None, kind=kind, who=who, q="", most=limit)
        )

    rows = with_database(work, tenant)
    show([AuditLine(**dict(zip(AuditLine.model_fields, row, strict=True))).model_dump(mode="json") for row in rows])
