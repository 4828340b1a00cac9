"""`morsel train`, `morsel evaluate` and `morsel models`."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from app.commands.running import DEFAULT, Context, Tenant, show, with_database
from app.ml.evaluation import service as evaluation
from app.ml.popularity.service import refresh_popular
from app.ml.registry import service as registry
from app.registry import RECOMMENDERS

app = typer.Typer(no_args_is_help=True, help="Trained models: list, promote, roll back.")
NAMES = ", ".join(RECOMMENDERS)


def train(
    recommenders: Annotated[list[str] | None, typer.Argument(help=f"Which to train: {NAMES}. None: those that placements use.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Learn from events before this moment (UTC); default: now.")] = None,
    holdout_days: Annotated[float, typer.Option(help="Days at the end that the offline figures are measured on.")] = 28.0,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    set_: Annotated[list[str] | None, typer.Option("--set", help="A parameter, as name=number; may be repeated.")] = None,
    promote: Annotated[bool, typer.Option(help="Make the new models live.")] = False,
    tenant: Tenant = DEFAULT,
) -> None:
    """Train recommenders, write their artefacts and register them; a first model goes live by itself."""
    from app.ml.training import service as training  # heavy, and needed by this command alone

    changes = dict(part.partition("=")[::2] for part in set_ or [])
    options = training.Options(until=_utc(until), holdout_days=holdout_days, seed=seed, changes=changes or None, promote=promote)
    names = recommenders or ["personal", "item_to_item"]

    async def work(context: Context) -> list[dict[str, Any]]:
        done = await training.train(context.db, context.settings, context.tenant, names, RECOMMENDERS, options)
        await refresh_popular(context.db, context.tenant, default_consent=context.settings.default_consent)
        return [
            {
                "recommender": one.manifest.recommender,
                "version": one.manifest.version,
                "promoted": one.promoted,
                "metrics": one.manifest.metrics,
            }
            for one in done
        ]

    show(with_database(work, tenant))


@app.command("list")
def list_models(tenant: Tenant = DEFAULT) -> None:
    """List models, newest first."""

    async def work(context: Context) -> list[dict[str, Any]]:
        found = await registry.models(context.db, context.tenant)
        return [{"recommender": m.recommender, "version": m.version, "live": m.live, "created_at": m.created_at} for m in found]

    show(with_database(work, tenant))


@app.command("promote")
def promote_model(recommender: str, version: str, tenant: Tenant = DEFAULT) -> None:
    """Make a model live, once its artefact was loaded and checked."""
    live = with_database(
        lambda context: registry.promote(context.db, context.settings.model_dir, context.tenant, recommender, version, "asked for"), tenant
    )
    show({"recommender": live.recommender, "version": live.version})


@app.command("rollback")
def roll_back(recommender: str, tenant: Tenant = DEFAULT) -> None:
    """Go back to the model before the live one."""
    live = with_database(lambda context: registry.roll_back(context.db, context.settings.model_dir, context.tenant, recommender), tenant)
    show({"recommender": live.recommender, "version": live.version})


def evaluate(
    recommender: Annotated[str, typer.Argument(help=f"Which: {NAMES}.")],
    version: Annotated[str, typer.Option(help="Which version; default: the live one.")] = "",
    until: Annotated[datetime | None, typer.Option(help="Measure on purchases before this moment (UTC); default: now.")] = None,
    k: Annotated[int, typer.Option(help="Length of the lists.")] = 10,
    tenant: Tenant = DEFAULT,
) -> None:
    """Measure a model on what happened after its data ended."""

    async def work(context: Context) -> dict[str, Any]:
        found = await evaluation.evaluate(
            context.db, context.settings, context.tenant, recommender, version or None, until=_utc(until), k=k
        )
        return {"recommender": found.recommender, "version": found.version, "since": found.since, "until": found.until, **found.metrics}

    show(with_database(work, tenant))


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
