"""`morsel placements` and `morsel templates`: show and publish."""

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from pydantic import ValidationError

from app.commands.running import DEFAULT, Context, Tenant, fail, show, with_database
from app.content.templates import service as template_service
from app.content.templates.schemas import TemplateIn
from app.decisions.placements import service as placement_service
from app.decisions.placements.domain import Placement

placements = typer.Typer(no_args_is_help=True, help="Where content is shown, and how.")
templates = typer.Typer(no_args_is_help=True, help="What content looks like.")
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A JSON file.")]


def _read(path: Path) -> Any:
    try:
        return orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        fail(f"{path}: {error}")


def _wrong(path: Path, error: ValidationError) -> str:
    return "\n".join([f"{path} cannot be used:", *(f"  {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())])


@placements.command("list")
def list_placements(tenant: Tenant = DEFAULT) -> None:
    """Show the published placements."""

    async def work(context: Context) -> list[dict[str, Any]]:
        return [{"name": d.name, "version": d.version, **d.body} for d in await placement_service.listed(context.db, context.tenant)]

    show(with_database(work, tenant))


@placements.command("publish")
def publish_placement(name: str, file: File, tenant: Tenant = DEFAULT) -> None:
    """Publish a new version of a placement from a JSON file."""
    try:
        wanted = Placement.model_validate(_read(file))
    except ValidationError as error:
        fail(_wrong(file, error))
    made = with_database(lambda context: placement_service.publish(context.db, context.tenant, name, wanted), tenant)
    typer.echo(f"{made.name} version {made.version}")


@templates.command("list")
def list_templates(tenant: Tenant = DEFAULT) -> None:
    """Show the published templates."""

    async def work(context: Context) -> list[dict[str, Any]]:
        return [{"name": d.name, "version": d.version, **d.body} for d in await template_service.listed(context.db, context.tenant)]

    show(with_database(work, tenant))


@templates.command("publish")
def publish_template(name: str, file: File, tenant: Tenant = DEFAULT) -> None:
    """Publish a new version of a template from a JSON file."""
    try:
        wanted = TemplateIn.model_validate(_read(file)).model_dump()
    except ValidationError as error:
        fail(_wrong(file, error))
    made = with_database(lambda context: template_service.publish(context.db, context.tenant, name, wanted), tenant)
    typer.echo(f"{made.name} version {made.version}")
