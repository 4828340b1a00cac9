"""`morsel clusters`: the commands of a kind of document, and what was found."""

from typing import Annotated, Any

import typer

from app.commands.context import DEFAULT, Context, Tenant, show, with_database
from app.commands.documents import group
from app.decisions.clusters.api import shown
from app.decisions.clusters.kind import KIND

app = group(KIND, "Clusters: people who are alike in some facts.")


@app.command("found")
def found(name: Annotated[str, typer.Argument(help="Its name.")], tenant: Tenant = DEFAULT) -> None:
    """Print the clusters that were found, in words, and how well they are parted."""

    async def work(context: Context) -> dict[str, Any]:
        return (await shown(context.db, context.tenant, name)).model_dump(mode="json", exclude={"clusters"})

    show(with_database(work, tenant))
