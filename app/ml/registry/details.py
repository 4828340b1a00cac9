"""What is told of one model, and of two side by side."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.core.db import Database
from app.core.errors import NotFound
from app.ml.registry import service
from app.ml.registry.artefact import Manifest, folder
from app.ml.registry.pruning import size_of

LIVE = "live"
FEW_PEOPLE = 30
"""A hold-out of fewer people is an anecdote."""
POPULAR = "popular"
_TASKS = (("all", "with repeats"), ("new", "on new items"))


@dataclass(frozen=True)
class Details:
    """A model with what it takes on disk, what is live in its stead (empty: nothing), and in words how good it is."""

    model: service.Model
    bytes: int
    live_version: str
    verdict: str

    def document(self) -> dict[str, Any]:
        """Return everything that is told of the model."""
        model, manifest = self.model, self.model.manifest
        data = manifest.get("data") or {}
        return {
            "recommender": model.recommender,
            "version": model.version,
            "live": model.live,
            "live_version": self.live_version or None,
            "created_at": model.created_at,
            "window": {"from": data.get("from"), "to": data.get("to")},
            "events": data.get("events"),
            "data": data,
            "metrics": manifest.get("metrics") or {},
            "parameters": manifest.get("parameters") or {},
            "seed": manifest.get("seed"),
            "rows": manifest.get("rows"),
            "history_items": manifest.get("history_items"),
            "bytes": self.bytes,
            "verdict": self.verdict,
        }


async def details(db: Database, models_dir: Path, tenant: int, recommender: str, version: str = LIVE) -> Details:
    """Return a model; `live` stands for the version that serves. Raises NotFound."""
    found = await service.models(db, tenant, recommender)
    serving = next((model for model in found if model.live), None)
    if version == LIVE:
        if serving is None:
            raise NotFound(f"{recommender} has no live model; {await service.known(db, tenant, recommender)}.")
        chosen = serving
    else:
        match = next((model for model in found if model.version == version), None)
        if match is None:
            raise NotFound(f"{recommender} has no version {version}; {await service.known(db, tenant, recommender)}.")
        chosen = match
    place = folder(models_dir, await service.tenant_name(db, tenant), recommender, chosen.version)
    live = Manifest(**serving.manifest) if serving is not None and serving.version != chosen.version else None
    told = sentence(recommender, chosen.manifest.get("metrics") or {}, live)
    return Details(chosen, await asyncio.to_thread(size_of, place), serving.version if serving else "", told)


def figure(metrics: dict[str, Any], task: str = "all", name: str = "ndcg@10") -> float | None:
    """Return a figure of offline metrics, or None."""
    value = (metrics.get(task) or {}).get(name)
    return float(value) if isinstance(value, int | float) else None


def beside(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Return the documents of two models side by side: every offline figure of both with the difference, and what else differs."""
    figures: dict[str, Any] = {}
    for task in ("all", "new"):
        mine, theirs = (one["metrics"].get(task) or {} for one in (first, second))
        for name in sorted(set(mine) & set(theirs)):
            if isinstance(mine[name], int | float) and isinstance(theirs[name], int | float):
                figures.setdefault(task, {})[name] = [mine[name], theirs[name], round(theirs[name] - mine[name], 6)]
    differ = {
        name: [first["parameters"].get(name), second["parameters"].get(name)]
        for name in sorted({*first["parameters"], *second["parameters"]})
        if first["parameters"].get(name) != second["parameters"].get(name)
    }
    told = {key: [first[key], second[key]] for key in ("recommender", "version", "live", "window", "events", "rows", "bytes")}
    return {**told, "metrics": figures, "parameters": differ, "warnings": _warnings(first, second)}


def _warnings(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    told = []
    if not all((one["metrics"].get("all") or {}).get("people") for one in (first, second)):
        told.append("one of them was not measured: `morsel evaluate` measures both on what followed their data")
    elif first["window"]["to"] != second["window"]["to"] or first["metrics"].get("holdout_days") != second["metrics"].get("holdout_days"):
        told.append("they were measured on different days: `morsel evaluate` with one --until measures both on the same")
    for one in (first, second):
        people = (one["metrics"].get("all") or {}).get("people")
        if people is not None and people < FEW_PEOPLE:
            told.append(f"{one['version']}: its hold-out rests on {people} people only")
    return told


def people(metrics: dict[str, Any]) -> int:
    """Return how many people the hold-out rests on."""
    return int((metrics.get("all") or {}).get("people") or 0)


def sentence(name: str, metrics: dict[str, Any], live: Manifest | None) -> str:
    """Say how good a model was on its hold-out, beside `popular` and the live model, and on how many people that rests."""
    count = people(metrics)
    if not count:
        return f"{name} was not measured: too few people bought in the last days of the data"
    own = ", ".join(f"{value:.3f} {word}" for task, word in _TASKS if (value := figure(metrics, task)) is not None)
    told = f"{name}: nDCG@10 {own}, on {count:,} people"
    if measured := pairs(metrics):
        word = {True: "better", False: "worse"}
        judged = "equal to" if all(mine == theirs for _, mine, theirs in measured) else ""
        if not judged:
            sides = {word[mine > theirs] for _, mine, theirs in measured if mine != theirs}
            judged = f"{sides.pop()} than" if len(sides) == 1 else "better in one task and worse in the other than"
        told += f"; {judged} popular ({', '.join(f'{theirs:.3f} {dict(_TASKS)[task]}' for task, _, theirs in measured)})"
    if live is not None and (before := [f"{value:.3f}" for task, _ in _TASKS if (value := figure(live.metrics, task)) is not None]):
        told += f"; the live {live.version} had {' and '.join(before)} on its own hold-out, up to {str(live.data.get('to'))[:10]}"
    if count < FEW_PEOPLE:
        told += f"; a hold-out of fewer than {FEW_PEOPLE} people says next to nothing"
    return told


def pairs(metrics: dict[str, Any]) -> list[tuple[str, float, float]]:
    """Return task, own figure and that of `popular` for each task that both have."""
    theirs = metrics.get(POPULAR) or {}
    both = [(task, figure(metrics, task), theirs.get(task)) for task, _ in _TASKS]
    return [(task, mine, float(other)) for task, mine, other in both if mine is not None and other is not None]
