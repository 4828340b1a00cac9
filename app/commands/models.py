"""`morsel train`, `morsel evaluate` and `morsel models`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from app.access.service import COMMAND
from app.commands.context import DEFAULT, Context, Tenant, show, with_database
from app.ml.evaluation import service as evaluation
from app.ml.popularity.service import refresh_popular
from app.ml.registry import details, pruning
from app.ml.registry import service as registry
from app.ml.registry.adopting import adopt
from app.ml.registry.artefact import Manifest
from app.plugins import RECOMMENDERS

app = typer.Typer(no_args_is_help=True, help="Trained models: list, show, compare, register, promote, roll back, prune.")
NAMES = ", ".join(RECOMMENDERS)


def train(
    recommenders: Annotated[list[str] | None, typer.Argument(help=f"Which to train: {NAMES}. None: those that placements use.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Learn from events before this moment (UTC); default: now.")] = None,
    days: Annotated[
        float | None, typer.Option(help="Learn from the last so many days only; default: all events, the older the less.")
    ] = None,
    holdout_days: Annotated[float, typer.Option(min=0, help="Days at the end that the offline figures are measured on.")] = 28.0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 0,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A parameter, as path=number, such as members.ease.penalty=100; may be repeated.")
    ] = None,
    promote: Annotated[bool, typer.Option(help="Make the new models live.")] = False,
    tenant: Tenant = DEFAULT,
) -> None:
    """Train recommenders, write their artefacts and register them; a first model goes live by itself."""
    from app.ml.training import service as training  # heavy, and needed by this command alone

    changes = dict(part.partition("=")[::2] for part in set_ or [])
    options = training.Options(
        until=_utc(until), days=days, holdout_days=holdout_days, seed=seed, changes=changes or None, promote=promote, who=COMMAND
    )
    names = recommenders or ["personal", "item_to_item"]

    async def work(context: Context) -> list[dict[str, Any]]:
        done = await training.train(context.db, context.settings, context.tenant, names, RECOMMENDERS, options)
        await refresh_popular(context.db, context.tenant, default_consent=context.settings.default_consent)
        typer.echo("\n".join([done[0].used, *(one.verdict for one in done)]), err=True)
        return [
            {
                "recommender": one.manifest.recommender,
                "version": one.manifest.version,
                "events": one.used,
                "verdict": one.verdict,
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
        return [_line(model) for model in found]

    show(with_database(work, tenant))


def _line(model: registry.Model) -> dict[str, Any]:
    """Return what the list tells of a model: nDCG@10 with repeats and on new items, the days and the number of its events."""
    metrics, data = model.manifest.get("metrics") or {}, model.manifest.get("data") or {}
    return {
        "recommender": model.recommender,
        "version": model.version,
        "live": model.live,
        "created_at": model.created_at,
        "ndcg@10": {task: details.figure(metrics, task) for task in ("all", "new")},
        "people": (metrics.get("all") or {}).get("people"),
        "window": {"from": data.get("from"), "to": data.get("to")},
        "events": data.get("events"),
    }


@app.command("show")
def show_model(
    recommender: str,
    version: Annotated[str, typer.Argument(help="Which version; default: the live one.")] = details.LIVE,
    tenant: Tenant = DEFAULT,
) -> None:
    """Show a model: figures, window, events, parameters, size, and which version is live."""

    async def work(context: Context) -> dict[str, Any]:
        return (await details.details(context.db, context.settings.model_dir, context.tenant, recommender, version)).document()

    show(with_database(work, tenant))


@app.command("compare")
def compare(
    first: Annotated[str, typer.Argument(help="RECOMMENDER/VERSION, or RECOMMENDER for its live model.")],
    second: Annotated[str, typer.Argument(help="The other one, spelled alike.")],
    tenant: Tenant = DEFAULT,
) -> None:
    """Show two models side by side: each figure of both with the difference, and the parameters that differ."""

    async def work(context: Context) -> dict[str, Any]:
        found = []
        for named in (first, second):
            recommender, _, version = named.partition("/")
            one = await details.details(context.db, context.settings.model_dir, context.tenant, recommender, version or details.LIVE)
            found.append(one.document())
        return details.beside(found[0], found[1])

    show(with_database(work, tenant))


@app.command("register")
def register(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder with top.onnx, rank.onnx and rows.bin.")],
    recommender: Annotated[str, typer.Option(help="Name of the recommender; default: that of the folder's manifest.json.")] = "",
    tenant: Tenant = DEFAULT,
) -> None:
    """Check graphs of your own against the contract and register them; promote the version to make it live."""

    async def work(context: Context) -> dict[str, Any]:
        made = await adopt(context.db, context.settings.model_dir, context.tenant, folder, recommender, context.settings.history_items)
        return {"recommender": made.recommender, "version": made.version, "rows": made.rows, "inputs": made.inputs}

    show(with_database(work, tenant))


@app.command("prune")
def prune_models(
    recommender: Annotated[str | None, typer.Argument(help="Of which recommender; default: of all.")] = None,
    keep: Annotated[int, typer.Option(min=0, help="Newest models of each recommender that stay.")] = pruning.KEEP,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be deleted.")] = False,
    tenant: Tenant = DEFAULT,
) -> None:
    """Delete old models from disk; never the live one, the one before it, or one that a stored serve names."""

    async def work(context: Context) -> dict[str, Any]:
        gone = await pruning.prune(context.db, context.settings.model_dir, context.tenant, keep, recommender, dry_run=dry_run)
        return {"dry_run": dry_run, "bytes": sum(one.bytes for one in gone), "models": [vars(one) for one in gone]}

    show(with_database(work, tenant))


@app.command("promote")
def promote_model(recommender: str, version: str, tenant: Tenant = DEFAULT) -> None:
    """Make a model live, once its artefact was loaded and checked."""

    async def work(context: Context) -> dict[str, Any]:
        found = {model.version: model for model in await registry.models(context.db, context.tenant, recommender)}
        before = next((Manifest(**model.manifest) for model in found.values() if model.live and model.version != version), None)
        live = await registry.promote(context.db, context.settings.model_dir, context.tenant, recommender, version, "asked for", COMMAND)
        told = details.sentence(recommender, found[live.version].manifest.get("metrics") or {}, before)
        return {"recommender": live.recommender, "version": live.version, "verdict": told}

    show(with_database(work, tenant))


@app.command("rollback")
def roll_back(recommender: str, tenant: Tenant = DEFAULT) -> None:
    """Go back to the model before the live one."""

    async def work(context: Context) -> registry.Live:
        return await registry.roll_back(context.db, context.settings.model_dir, context.tenant, recommender, COMMAND)

    live = with_database(work, tenant)
    show({"recommender": live.recommender, "version": live.version})


def evaluate(
    recommender: Annotated[str, typer.Argument(help=f"Which: {NAMES}.")],
    version: Annotated[str, typer.Option(help="Which version; default: the live one.")] = "",
    until: Annotated[datetime | None, typer.Option(help="Measure on purchases before this moment (UTC); default: now.")] = None,
    k: Annotated[int, typer.Option(min=1, max=1_000, help="Length of the lists.")] = 10,
    tenant: Tenant = DEFAULT,
) -> None:
    """Measure a model on what happened after its data ended."""

    async def work(context: Context) -> dict[str, Any]:
        found = await evaluation.evaluate(
            context.db, context.settings, context.tenant, recommender, version or None, until=_utc(until), k=k
        )
        typer.echo(found.sentence, err=True)
        return {"recommender": found.recommender, "version": found.version, "since": found.since, "until": found.until, **found.metrics}

    show(with_database(work, tenant))


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
