"""Temporal hold-out: what people did after a moment, against what an artefact recommends from what they did before."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.ml import contract
from app.ml.contract import Ints
from app.ml.evaluation import metrics
from app.ml.interactions import Interactions
from app.ml.registry.loader import LoadedModel

_BATCH = 16


@dataclass(frozen=True)
class Holdout:
    """`before` is what a model may know (ages counted from the moment); `targets` the distinct rows of each person after it.

    `left_out` counts the people who bought after the moment and have no target, by why.
    """

    before: Interactions
    targets: dict[int, Ints]
    left_out: dict[str, int]


def split(data: Interactions, days: float) -> Holdout:
    """Split at `days` before the cut of the data.

    Targets are purchases (any click or stronger where nobody bought anything) of people and of rows seen before.
    """
    late = data.age <= days
    before = data.only(~late, days)
    seen_row = np.bincount(before.row, minlength=data.rows) > 0
    seen_person = np.bincount(before.person, minlength=data.people) > 0
    bought = late & (data.kind == contract.PURCHASE)
    wanted = bought if bought.any() else late & (data.kind >= contract.KINDS.index("click"))
    buyers = np.unique(data.person[wanted])
    wanted &= seen_row[data.row] & seen_person[data.person]
    pairs = np.unique(data.person[wanted].astype(np.int64) * max(1, data.rows) + data.row[wanted])
    person, row = pairs // max(1, data.rows), pairs % max(1, data.rows)
    people, start = np.unique(person, return_index=True)
    unknown = int((~seen_person[buyers]).sum())
    left_out = {"not_known_before": unknown, "only_items_not_known_before": len(buyers) - unknown - len(people)}
    return Holdout(before, dict(zip(people.tolist(), np.split(row, start[1:]), strict=True) if len(people) else ()), left_out)


def evaluate(
    model: LoadedModel, holdout: Holdout, k: int = 10, most_people: int = 0, rng: np.random.Generator | None = None
) -> dict[str, Any]:
    """Return metrics for two tasks: `all` (repeats allowed) and `new` (rows bought before are excluded, and no target).

    `most_people` above 0 takes a random sample of people, drawn with `rng`.
    """
    people = np.array(sorted(holdout.targets), np.int64)
    if most_people and len(people) > most_people:
        people = np.sort((rng or np.random.default_rng(0)).choice(people, most_people, replace=False))
    return {task: _task(model, holdout, people, k, task == "new") for task in ("all", "new")}


def _task(model: LoadedModel, holdout: Holdout, people: Ints, k: int, new: bool) -> dict[str, Any]:
    to_model = model.row_of(holdout.before.groups)
    hits, relevant, shown = [], [], []
    wanted, bought = _wanted(holdout, people, new)
    chosen = list(wanted)
    for first in range(0, len(chosen), _BATCH):
        part = chosen[first : first + _BATCH]
        out = [to_model[bought[person]] for person in part]
        item = _lists(model, holdout, part, contract.pad([rows[rows >= 0] for rows in out]), k)
        shown.append(item)
        for person, line in zip(part, item, strict=True):
            hits.append(np.isin(line, to_model[wanted[person]]) & (line >= 0))
            relevant.append(len(wanted[person]))
    if not chosen:
        return {"people": 0}
    places = np.concatenate(shown)
    figures = metrics.summary(np.array(hits), np.array(relevant))
    filled = round(float((places >= 0).mean()), 6)
    figures[f"coverage@{k}"] = round(metrics.coverage(places, len(model.rows)), 6)
    return {"people": len(chosen), "targets": round(float(np.mean(relevant)), 3), "filled": filled, **figures}


def _wanted(holdout: Holdout, people: Ints, new: bool) -> tuple[dict[int, Ints], dict[int, Ints]]:
    """Return targets and rows left out of the list, by person, of the people who have targets in this task."""
    wanted: dict[int, Ints] = {}
    bought: dict[int, Ints] = {}
    for person in people.tolist():
        own = holdout.before.histories.of(person)
        bought[person] = own.row[own.kind == contract.PURCHASE] if new else np.empty(0, np.int64)
        target = np.setdiff1d(holdout.targets[person], bought[person])
        if len(target):
            wanted[person] = target
    return wanted, bought


def _lists(model: LoadedModel, holdout: Holdout, people: list[int], exclude: Ints, k: int) -> NDArray[np.int64]:
    """Return rows int64[B,k], -1 at empty places."""
    groups = holdout.before.groups
    histories = []
    for person in people:
        own = holdout.before.histories.of(person).newest(model.manifest.history_items)
        histories.append(model.history(groups[own.row], own.kind, own.age, own.times, own.amount))
    item, score = model.score_top(model.assemble(histories), k, exclude)
    placed = np.where(np.isneginf(score), contract.PAD, item)
    missing = k - placed.shape[1]
    return np.pad(placed, ((0, 0), (0, missing)), constant_values=contract.PAD) if missing else placed
