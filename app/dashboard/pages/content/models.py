"""Models: which are live and how good they are, all runs over time, one beside another, promote, roll back."""

import asyncio
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from app.dashboard.api_client import ApiProblem, part
from app.dashboard.charts import svg
from app.dashboard.charts.svg import Line
from app.dashboard.context import Here, Visit
from app.dashboard.pages.home import sample_people
from app.dashboard.render import moment, query
from app.dashboard.ui.table import Column, Table

router = APIRouter(prefix="/models")
_LIVE = (
    Column("recommender", "Recommender"), Column("version", "Live version", "code"), Column("ndcg", "nDCG@10", "number"),
    Column("popular", "Popular has", "number"), Column("judged", "Against popular", "badge", sortable=False),
    Column("people", "Measured on", "number", wide=True), Column("window", "Learned from", sortable=False, wide=True),
    Column("created_at", "Trained", "ago"), Column("waits", "Waiting", "badge", sortable=False),
)  # fmt: skip
_RUNS = (
    Column("version", "Version", "code"), Column("state", "", "badge", sortable=False), Column("created_at", "Trained", "when"),
    Column("ndcg", "nDCG@10", "number"), Column("new", "On new items", "number"), Column("popular", "Popular has", "number", wide=True),
    Column("coverage", "Coverage", "share", wide=True),
    Column("people", "Measured on", "number", wide=True), Column("events", "Events", "number", wide=True),
    Column("window", "Learned from", sortable=False, wide=True),
)  # fmt: skip
_FIGURES = (
    ("ndcg@10", "nDCG@10"), ("map@10", "MAP@10"), ("mrr@10", "MRR@10"), ("precision@10", "Precision@10"), ("recall@10", "Recall@10"),
    ("coverage@10", "Coverage@10"), ("filled", "Places filled"), ("people", "People"),
)  # fmt: skip
_TASKS = (("all", "with repeats"), ("new", "on new items"))
_MEMBERS = {
    "Again": "What they come back to, by its probability",
    "BuyAgain": "What they bought before",
    "Transitions": "What people went on to after what they did last",
    "Ease": "What people like them have",
    "ItemToItem": "What the same people looked at or bought",
    "Als": "What people of their taste have",
    "Popular": "What is popular now",
}
_MOST = 200
_NEVER = 1e9


def figure(metrics: dict[str, Any], task: str, name: str = "ndcg@10") -> float | None:
    """Return a figure of a model's hold-out, None where it was not measured."""
    value = (metrics.get(task) or {}).get(name)
    return float(value) if isinstance(value, int | float) else None


def _three(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"


def judged(metrics: dict[str, Any]) -> tuple[str, str] | str:
    """Say in a word how a model did against `popular`, in the tasks that both were measured in."""
    theirs = metrics.get("popular") or {}
    pairs = [(mine, theirs[task]) for task, _ in _TASKS if (mine := figure(metrics, task)) is not None and theirs.get(task) is not None]
    if not pairs:
        return "not measured"
    better = sum(mine > other for mine, other in pairs)
    return ("better", "good") if better == len(pairs) else ("worse", "bad") if not better else ("better in part", "warn")


def window(data: dict[str, Any]) -> str:
    """Write the days of a model's data."""
    ends = [moment(data.get(side)) for side in ("from", "to")]
    return " to ".join(one.strftime("%-d %b %Y") if one else "?" for one in ends) if any(ends) else "not told"


def row(model: dict[str, Any]) -> dict[str, Any]:
    """Return what tables show of a model."""
    metrics, data = model["metrics"], model["data"]
    return {
        "recommender": model["recommender"], "version": model["version"], "created_at": model["created_at"],
        "ndcg": _three(figure(metrics, "all")), "new": _three(figure(metrics, "new")),
        "popular": _three((metrics.get("popular") or {}).get("all")), "judged": judged(metrics),
        "coverage": figure(metrics, "all", "coverage@10"), "people": (metrics.get("all") or {}).get("people"), "events": data.get("events"),
        "window": window(data), "to": address(model["recommender"], model["version"]),
    }  # fmt: skip


def address(recommender: str, version: str = "") -> str:
    """Return where a model's page is, or that of a recommender."""
    return f"/models/{part(recommender)}" + (f"/{part(version)}" if version else "")


@router.get("")
async def models(visit: Here) -> Response:
    """Show what is live, by recommender."""
    found = await visit.api.get("/v1/admin/models", limit=500)
    runs: dict[str, list[dict[str, Any]]] = {}
    for one in found["models"]:
        runs.setdefault(one["recommender"], []).append(one)
    live = {one["recommender"]: one for one in found["live"]}
    known = await asyncio.gather(*(_live_model(visit, live[name], runs.get(name, [])) for name in live))
    rows = []
    for name in sorted({*runs, *live}):
        model = next((one for one in known if one["recommender"] == name), None)
        waiting = [one for one in runs.get(name, []) if model is None or one["created_at"] > model["created_at"]]
        told = (f"{len(waiting)} newer" if model else f"{len(waiting)}, none live", "info" if model else "warn") if waiting else None
        shown = row(model) if model else {"recommender": name, "version": None, "created_at": waiting[0]["created_at"]}
        rows.append({**shown, "waits": told, "to": address(name)})
    table = Table("models", _LIVE, rows, link="to", empty="No model was trained yet: `morsel train` makes the first.")
    return visit.page("models/models.html", table=table, some=bool(rows))


async def _live_model(visit: Visit, live: dict[str, Any], runs: list[dict[str, Any]]) -> dict[str, Any]:
    found = next((one for one in runs if one["version"] == live["version"]), None)
    return found or dict(await visit.api.get(f"/v1/admin/models/{part(live['recommender'])}/{part(live['version'])}"))


@router.get("/compare")
async def compare(visit: Here, a: str = "", b: str = "", user_id: str = "", item_id: str = "", placement: str = "") -> Response:
    """Show what a person gets from two models side by side."""
    found, placements, people = await asyncio.gather(
        visit.api.get("/v1/admin/models", limit=500), visit.api.get("/v1/admin/placements"), sample_people(visit)
    )
    names = [f"{one['recommender']}/{one['version']}" for one in found["models"]]
    asked = {"a": a, "b": b, "user_id": user_id, "item_id": item_id, "placement": placement}
    lists, problem = None, ""
    if a and b and (user_id or item_id):
        try:
            lists = await visit.api.send("POST", "/v1/admin/models/compare-lists", {**asked, "limit": 12})
        except ApiProblem as error:
            problem = "; ".join(error.fields.values()) or error.detail
    after = people[(people.index(user_id) + 1) % len(people)] if user_id in people else people[0] if people else ""
    return visit.page(
        "models/model_lists.html", 422 if problem else 200, names=names, asked=asked,
        live={f"{one['recommender']}/{one['version']}" for one in found["live"]}, lists=lists, problem=problem,
        placements=[one["name"] for one in placements["placements"]], people=people,
        another=f"/models/compare{query(asked, user_id=after)}" if after and a and b else "",
    )  # fmt: skip


@router.get("/{recommender}")
async def runs(visit: Here, recommender: str, before: str = "") -> Response:
    """Show all runs of a recommender, and how its figures went."""
    found = await visit.api.get(f"/v1/admin/models/{part(recommender)}", before=before, limit=_MOST)
    live = found["live"][0] if found["live"] else None
    rows = [{**row(one), "state": ("live", "good") if one["live"] else _waits(one, live)} for one in found["models"]]
    more = f"{address(recommender)}{query({}, before=found['next'])}" if found["next"] else ""
    metrics = (await _live_model(visit, live, found["models"]))["metrics"] if live else {}
    table = Table("runs", _RUNS, rows, link="to", next=more, empty="There are no earlier runs.")
    return visit.page(
        "models/model_runs.html", recommender=recommender, table=table, live=live, plots=plots(found["models"], metrics), count=len(rows)
    )


def _waits(model: dict[str, Any], live: dict[str, Any] | None) -> tuple[str, str] | None:
    if live is not None and model["version"] == live["previous"]:
        return "before this one", ""
    return ("newer, waiting", "info") if live is None or model["created_at"] > live["promoted_at"] else None


def plots(models: list[dict[str, Any]], live: dict[str, Any]) -> list[Any]:
    """Return the charts of some runs, which come newest first, beside the figures of the live one."""
    runs = [(at, one["metrics"], one["data"]) for one in reversed(models) if (at := moment(one["created_at"])) is not None]
    figures = [
        svg.line(
            f"nDCG@10 {word}",
            [
                Line("the model", [(at, figure(metrics, task)) for at, metrics, _ in runs]),
                Line("the live one", [(at, figure(live, task)) for at, _, _ in runs]),
                Line("popular, on the same people", [(at, (metrics.get("popular") or {}).get(task)) for at, metrics, _ in runs]),
            ],
            write=lambda value: f"{value:.3f}",
        )
        for task, word in _TASKS
    ]
    coverage = [(at, figure(metrics, "all", "coverage@10")) for at, metrics, _ in runs]
    events = [(at, float(data["events"]) if data.get("events") else None) for at, _, data in runs]
    return [
        *figures,
        svg.line(
            "Share of the catalogue that comes up", [Line("coverage@10", coverage)], share=True, write=lambda value: f"{value * 100:.0f} %"
        ),
        svg.line("Events learned from", [Line("events", events)]),
    ]


def chosen(parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what training chose for a blend: each part in words, its weight and its half-lives."""
    members = (parameters.get("learned") or {}).get("members") or {}
    found = []
    for name, one in members.items():
        scoring = one["setting"].get("scoring") or one["setting"].get("weighting") or {}
        lives = {unit: scoring.get(f"half_life_{unit}") for unit in ("days", "places")}
        fades = " and ".join(f"every {value:g} {unit}" for unit, value in lives.items() if value and value < _NEVER)
        found.append({"title": _MEMBERS.get(name, name), "name": name, "weight": one["weight"], "fades": fades})
    return found


@router.get("/{recommender}/{version}")
async def model(visit: Here, recommender: str, version: str) -> Response:
    """Show a model beside the live one."""
    path = f"/v1/admin/models/{part(recommender)}"
    found, listed = await asyncio.gather(visit.api.get(f"{path}/{part(version)}"), visit.api.get(path, limit=1))
    live = listed["live"][0] if listed["live"] else None
    beside = None
    if live is not None and live["version"] != version:
        beside = await visit.api.get(f"{path}/{part(live['version'])}/compare", **{"with": f"{recommender}/{version}"})
    rows = []
    for task, word in _TASKS:
        for name, title in _FIGURES:
            mine = (found["metrics"].get(task) or {}).get(name)
            if mine is None:
                continue
            pair = ((beside or {}).get("metrics", {}).get(task) or {}).get(name)
            theirs = (found["metrics"].get("popular") or {}).get(task) if name == "ndcg@10" else None
            rows.append({"title": title, "task": word, "mine": mine, "live": pair[0] if pair else None, "gain": pair[2] if pair else None,
                         "popular": theirs, "whole": name == "people"})  # fmt: skip
    people = await sample_people(visit)
    return visit.page(
        "models/model.html", model=found, live=live, beside=beside, figures=rows, window=window(found["data"]),
        person=people[0] if people else "", judged=judged(found["metrics"]), left_out=found["data"].get("left_out") or {},
        chosen=chosen(found["parameters"]), own_share=(found["parameters"].get("learned") or {}).get("own_share", 1),
    )  # fmt: skip


@router.post("/{recommender}/rollback")
async def roll_back(visit: Here, recommender: str) -> Response:
    """Make the model before the live one live again."""
    try:
        live = await visit.api.send("POST", f"/v1/admin/models/{part(recommender)}/rollback")
    except ApiProblem as problem:
        return visit.go(address(recommender), problem.detail, "bad")
    return visit.go(address(recommender), f"{live['version']} is live again: it answers within a second.")


@router.post("/{recommender}/{version}/promote")
async def promote(visit: Here, recommender: str, version: str) -> Response:
    """Make a model live."""
    try:
        await visit.api.send("POST", f"/v1/admin/models/{part(recommender)}/{part(version)}/promote")
    except ApiProblem as problem:
        return visit.go(address(recommender, version), problem.detail, "bad")
    return visit.go(address(recommender, version), f"{version} is live: it answers within a second.")
