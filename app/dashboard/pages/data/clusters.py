"""Clusters: people who are alike, found without anybody saying how; how many, how well parted, what each is like, who moved."""

from typing import Annotated, Any

from fastapi import APIRouter, Form
from starlette.responses import Response

from app.dashboard.api_client import ApiProblem, part
from app.dashboard.charts import svg
from app.dashboard.context import Here, Visit
from app.dashboard.pages.content import editing
from app.dashboard.pages.content.editing import DocumentPages
from app.dashboard.pages.content.rule_fields import number as read_number
from app.dashboard.render import number, percent, query
from app.dashboard.ui import forms
from app.dashboard.ui.table import Column, Table
from app.data.segments.clusters.domain import Clustering

KIND = DocumentPages("clusters", "cluster", (("about", "Overview", ""),), "/edit")
router = APIRouter(prefix="/clusters")
editing.add_routes(router, KIND)
_COLUMNS = (
    Column("name", "Clustering"), Column("many", "Clusters", "number"), Column("people", "People", "number"),
    Column("silhouette", "Silhouette", "amount", wide=True), Column("said", "Alike in", wide=True),
    Column("description", "What for", wide=True), Column("state", "", "badge"),
)  # fmt: skip
_CLUSTERS = (
    Column("label", "Cluster"), Column("people", "People", "number"), Column("share", "Share", "share", wide=True),
    Column("sentence", "What is special to it", sortable=False),
)  # fmt: skip
_MOVED = (Column("before", "Was in cluster"), Column("now", "Is in cluster"), Column("people", "People", "number"))
_SCALES = (
    Column("words", "Feature"), Column("low", "From"), Column("high", "To"), Column("median", "Middle"),
    Column("log", "Logarithm", wide=True), Column("missing", "Unknown", "share", wide=True),
)  # fmt: skip
_LABELS = {"features": "People are alike in", "k": "How many clusters", "description": "What for"}


@router.get("")
async def clusters(visit: Here) -> Response:
    """Show all published clusterings with what was found."""
    found = await visit.api.get("/v1/admin/clusters")
    table = Table("clusters", _COLUMNS, [_row(one) for one in found["clusters"]], link="to", empty="There is no clustering yet.")
    return visit.page("segments/clusters.html", table=table)


def _row(one: dict[str, Any]) -> dict[str, Any]:
    found = one["found"] if one["found"] and one["found"]["clusters"] else None
    return {
        "name": one["name"], "many": len(found["clusters"]) if found else None, "people": found["sampled"] if found else None,
        "silhouette": found["silhouette"] if found else None, "description": one["cluster"]["description"], "state": state(one),
        "said": ", ".join(feature["words"] for feature in found["features"]) if found else ", ".join(one["cluster"]["features"]),
        "to": f"/clusters/{part(one['name'])}",
    }  # fmt: skip


def state(one: dict[str, Any]) -> tuple[str, str]:
    """Return how a clustering stands, as a badge."""
    if not one["ready"]:
        return "being found", "info"
    return ("too few people", "warn") if one["note"] else ("ready", "good")


@router.get("/new")
async def new(visit: Here, name: str = "") -> Response:
    """Begin a clustering."""
    if not name:
        return visit.page("content/new.html", kind=KIND, what="What people are alike in says it best: value, habits.")
    return await _edit(visit, name, Clustering().model_dump(mode="json"), 0, {})


@router.get("/{name}")
async def cluster(visit: Here, name: str) -> Response:
    """Show what was found of a clustering."""
    one = await visit.api.get(f"/v1/admin/clusters/{part(name)}")
    newest = next((version for version in one["clusters"] if version["published"]), one["clusters"][0])["cluster"]
    found = one["found"] if one["found"] and one["found"]["clusters"] else None
    return visit.page(
        "segments/cluster.html", kind=KIND, name=name, one=one, written=newest, found=found, live=one["version"] is not None,
        state=state(one), tabs=editing.tabs(KIND, name), **(_shown(name, found) if found else {}),
    )  # fmt: skip


def _shown(name: str, found: dict[str, Any]) -> dict[str, Any]:
    """Return the tables and pictures of what was found."""
    rows = [{**one, "to": "/segments/new" + query({}, name=f"{name[:60]}-{one['label']}", when=one["when"])} for one in found["clusters"]]
    moved = [{**one, "before": str(one["before"]), "now": str(one["now"])} for one in found["moved"] or ()]
    first, parts = found["moved"] is None, sum(one["people"] for one in moved)
    empty = "This is the first round: the next one tells who moved." if first else "Nobody of those looked at moved in the latest round."
    return {
        "clusters": Table("clusters", _CLUSTERS, rows),
        "sizes": svg.bars("People by cluster", [_bar(one, one["people"]) for one in found["clusters"]], write=number, unit="People"),
        "curves": _curves(found),
        "means": [
            svg.bars(_begun(one["words"]), [_bar(group, group["values"][one["feature"]]) for group in found["clusters"]], write=figure)
            for one in found["features"]
        ],
        "table": _table(found),
        "moved": Table("moved", _MOVED, moved, empty=empty),
        "stayed": "–" if first or not found["sampled"] else percent(1 - parts / found["sampled"]),
        "scales": Table("features", _SCALES, [_scale(one) for one in found["features"]]),
    }


def _bar(one: dict[str, Any], value: float) -> tuple[str, float]:
    return f"cluster {one['label']}", float(value)


def _begun(words: str) -> str:
    return words[:1].upper() + words[1:]


def figure(value: float) -> str:
    """Write a value of a feature as its sentence does."""
    return f"{value:,.4g}"


def _curves(found: dict[str, Any]) -> list[Any]:
    """Return how well numbers of clusters part people, where several were tried."""
    tried, taken = found["tried"], float(len(found["clusters"]))
    if len(tried) < 2:
        return []
    return [
        svg.curve(title, [(float(one["k"]), float(one[name])) for one in tried], ("Clusters", words), chosen=taken)
        for title, name, words in (
            ("Silhouette by number of clusters: higher is better parted", "silhouette", "Silhouette"),
            ("Sum of squares by number of clusters: taken near the bend", "inertia", "Sum of squares"),
        )
    ]


def _table(found: dict[str, Any]) -> Table:
    """Return what the people of each cluster are like, a feature a row."""
    columns = [Column("feature", "On average"), *(Column(f"c{one['label']}", f"Cluster {one['label']}") for one in found["clusters"])]
    rows = [
        {"feature": _begun(one["words"]), **{f"c{group['label']}": figure(group["values"][one["feature"]]) for group in found["clusters"]}}
        for one in found["features"]
    ]
    return Table("averages", columns, rows)


def _scale(one: dict[str, Any]) -> dict[str, Any]:
    told = {name: figure(one[name]) for name in ("low", "high", "median")}
    return {"words": _begun(one["words"]), "log": "yes" if one["log"] else "no", "missing": one["missing"], **told}


@router.get("/{name}/edit")
async def edit(visit: Here, name: str, version: int | None = None) -> Response:
    """Edit a clustering."""
    found = await editing.opened(visit, KIND, name, version)
    return await _edit(visit, name, found["cluster"], found["version"] if found["published"] else 0, {"live": found["published"]})


@router.post("/{name}")
async def save(visit: Here, name: str, act: Annotated[str, Form()] = "publish", base: Annotated[int, Form()] = 0) -> Response:
    """Publish a clustering, or keep it as a draft."""
    form = await visit.request.form()
    body = {
        "features": [line.strip() for line in str(form.get("features", "")).splitlines() if line.strip()],
        "k": read_number(str(form.get("k", ""))), "description": str(form.get("description", "")).strip(),
    }  # fmt: skip
    try:
        made = await editing.save(visit, KIND, name, body, base, draft=act == "draft")
    except ApiProblem as problem:
        base, more, status = await editing.refused(visit, KIND, name, base, problem)
        return await _edit(visit, name, body, base, {"problems": problem.fields or {"": problem.detail}, **more}, status)
    if act == "draft":
        return visit.go(f"/clusters/{part(name)}/versions", f"Kept as draft {made['version']}; nobody is put into clusters by it.")
    return visit.go(f"/clusters/{part(name)}", f"Version {made['version']} is live: its clusters are found within seconds.")


async def _edit(visit: Visit, name: str, body: dict[str, Any], base: int, more: dict[str, Any], status: int = 200) -> Response:
    facts = await visit.api.get("/v1/admin/facts")
    values = {"live": False, "problems": {}, "conflict": None, **more}
    fields = {
        one.name: one for one in forms.fields(Clustering, body, {key.split(".")[0]: said for key, said in values["problems"].items()})
    }
    numbers = [one["name"] for one in facts["facts"] if one["subject"] == "person" and one["type"] == "number" and not one["keys"]]
    return visit.page(
        "segments/cluster_edit.html", status, kind=KIND, name=name, base=base, fields=fields, labels=_LABELS, numbers=numbers,
        tabs=editing.tabs(KIND, name) if base or values["live"] else [], **values,
    )  # fmt: skip
