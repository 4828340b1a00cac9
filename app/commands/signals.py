"""`morsel signals` and `morsel attribute`: what became of content, and which answers orders are owed to."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from app.commands.context import DEFAULT, Context, Tenant, show, with_database
from app.data.engagement.attribution import attribute_since
from app.data.engagement.report import report
from app.data.engagement.schemas import SignalReport


def signals(
    placement: Annotated[str, typer.Option(help="Only of this placement.")] = "",
    campaign: Annotated[str, typer.Option(help="Only of this campaign or send.")] = "",
    days: Annotated[int, typer.Option(min=1, max=3650, help="Of so many days up to now.")] = 30,
    tenant: Tenant = DEFAULT,
) -> None:
    """Show how often each signal came, machines apart, and the rates."""

    async def work(context: Context) -> SignalReport:
        end = datetime.now(UTC)
        return await report(context.db, context.tenant, end - timedelta(days=days), end, placement, campaign)

    show(with_database(work, tenant).model_dump(mode="json"))


def attribute(
    since: Annotated[datetime, typer.Option(help="Decide orders from this moment on again (UTC).")],
    tenant: Tenant = DEFAULT,
) -> None:
    """Decide again which answers orders are owed to, after a change of `MORSEL_ATTRIBUTION_DAYS` or `..._SEEN`."""

    async def work(context: Context) -> tuple[int, int]:
        moment = since if since.tzinfo else since.replace(tzinfo=UTC)
        return await attribute_since(context.db, context.settings, context.tenant, moment)

    people, changed = with_database(work, tenant)
    typer.echo(f"{people} people with orders, {changed} attributions new or changed")
