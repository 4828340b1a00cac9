"""Placements: what is shown in each spot; edit with a live preview beside, versions, roll back."""

import asyncio
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Form
from starlette.responses import JSONResponse, Response

from app.dashboard.api_client import ApiProblem, part
from app.dashboard.context import Here, Visit
from app.dashboard.pages.content import dry_runs, editing, part_fields, preview, rule_fields
from app.dashboard.pages.content.editing import DocumentPages
from app.dashboard.pages.home import sample_people
from app.dashboard.ui.table import Column, Table
from app.data.conditions.syntax import Wrong
from app.decisions.placements import conditions
from app.decisions.placements.domain import Filter, Placement

KIND = DocumentPages("placements", "placement")
router = APIRouter(prefix="/placements")
editing.add_routes(router, KIND)
_COLUMNS = (
    Column("name", "Placement"), Column("description", "What for", wide=True), Column("recommender", "Chosen by"),
    Column("template", "Template", wide=True),
    Column("count", "Items", "number", wide=True), Column("answers", "Answers, 7 days", "number"),
    Column("fallback", "Not personal", "share"),
    Column("empty", "Without items", "number", wide=True), Column("version", "Version", "number"),
)  # fmt: skip
_WORDS = ("description", "recommender", "anchor", "template")
_MOST_BRANDS = 200
_MOST_BRANCHES = 2_000


@router.get("")
async def placements(visit: Here) -> Response:
    """Show all published placements with what they answered."""
    until = datetime.now(UTC)
    span = {"from": (until - timedelta(days=7)).isoformat(), "to": until.isoformat()}
    found, overview = await asyncio.gather(visit.api.get("/v1/admin/placements"), visit.api.get("/v1/admin/overview", **span))
    use = {one["placement"]: one["answers"] for one in overview["placements"]}
    rows = []
    for one in found["placements"]:
        answers = use.get(one["name"], {"count": 0, "fallback": None, "empty": 0})
        body = {name: one["placement"][name] for name in ("description", "recommender", "template", "count")}
        body["recommender"] = body["recommender"] or "popularity"
        body["count"] = sum(each["limit"] for each in one["placement"]["parts"]) or body["count"]
        rows.append(
            {"name": one["name"], "version": one["version"], **body, "answers": answers["count"], "fallback": answers["fallback"],
             "empty": answers["empty"], "to": f"/placements/{part(one['name'])}"}
        )  # fmt: skip
    table = Table("placements", _COLUMNS, rows, link="to", empty="There is no placement yet: make the first one.")
    return visit.page("content/placements.html", table=table)


@router.get("/new")
async def new(visit: Here, name: str = "") -> Response:
    """Begin a placement."""
    if not name:
        return visit.page("content/new.html", kind=KIND, what="Where it is shown says it best: email-hero, cart-complement.")
    return await _edit(visit, name, Placement().model_dump(mode="json"), 0, {})


@router.get("/{name}")
async def edit(visit: Here, name: str, view: str = "form", version: int | None = None) -> Response:
    """Edit a placement."""
    found = await editing.opened(visit, KIND, name, version)
    base = found["version"] if found["published"] else 0
    return await _edit(visit, name, found["placement"], base, {"view": view, "live": found["published"]})


@router.post("/{name}")
async def save(visit: Here, name: str, act: Annotated[str, Form()] = "publish", base: Annotated[int, Form()] = 0) -> Response:
    """Publish a placement, keep it as a draft, or try it."""
    form = await visit.request.form()
    view = str(form.get("view", "form"))
    try:
        body = written(form)
    except ValueError as error:
        document = str(form.get("document", ""))
        return await _edit(
            visit, name, {}, base, {"view": "document", "text": document, "problems": {"": f"The document is no JSON: {error}"}}, 422
        )
    try:
        if act in dry_runs.ACTS:
            trial = await dry_runs.acted(visit, KIND, name, body, form, act)
            return await _edit(visit, name, body, base, {"view": view, "trial": trial})
        made = await editing.save(visit, KIND, name, body, base, draft=act == "draft")
    except ApiProblem as problem:
        base, more, status = await editing.refused(visit, KIND, name, base, problem)
        return await _edit(visit, name, body, base, {"view": view, "problems": problem.fields or {"": problem.detail}, **more}, status)
    if act == "draft":
        return visit.go(f"/placements/{part(name)}/versions", f"Kept as draft {made['version']}; nobody gets it before you make it live.")
    return visit.go(f"/placements/{part(name)}", f"Version {made['version']} is live: it shows in answers within a second.")


@router.post("/{name}/preview")
async def show(visit: Here, name: str) -> Response:
    """Show a placement as it is being edited, as a person would get it."""
    try:
        form = await visit.request.form()
        body = await preview.asked(visit.request, document=False)
        if form.get("document"):
            body["document"] = written(form)
        return preview.letter(await preview.shown(visit, "placements", name, body))
    except (ApiProblem, ValueError):
        return preview.letter("<p>This cannot be shown; the words beside it say why.</p>")


@router.post("/{name}/notes")
async def notes(visit: Here, name: str) -> Response:
    """Say whether a placement can be shown, and what is found in it."""
    try:
        form = await visit.request.form()
        if not form.get("document"):
            return JSONResponse({"shown": True, "notes": []})
        found = await editing.checked(visit, KIND, name, written(form))
    except ValueError as error:
        return JSONResponse({"shown": False, "notes": [f"The document is no JSON: {error}"]})
    return JSONResponse(editing.told(found))


def written(form: Any) -> dict[str, Any]:
    """Return the document that a form says: the fields changed in the document that it came with; raises ValueError."""
    body = json.loads(str(form["document"]))
    if not isinstance(body, dict):
        raise ValueError("a placement is a JSON object")
    if form.get("view") == "document":
        return body
    for name in _WORDS:
        if name in form:
            body[name] = str(form[name]).strip()
    for name in ("count", "least_confidence"):
        if name in form:
            body[name] = _number(str(form[name]))
    body["segments"] = [one.strip() for one in map(str, form.getlist("segments")) if one.strip()]
    body["open_pixel"] = "open_pixel" in form
    body["blocked"] = str(form.get("blocked", "")).split()
    body["fixed"] = {**body.get("fixed", {}), "items": str(form.get("fixed_items", "")).split()}
    wanted = {**body.get("filter", {}), "categories": form.getlist("categories"), "brands": form.getlist("brands")}
    for name in ("price_min", "price_max"):
        wanted[name] = _number(str(form.get(name, "")))
    for name in ("exclude_bought", "exclude_seen"):
        wanted[name] = name in form
    for name in ("not_categories", "not_brands"):
        wanted[name] = [line.strip() for line in str(form.get(name, "")).splitlines() if line.strip()]
    if "where" in form:
        wanted["where"] = rule_fields.condition(form["where"])
    body["filter"] = wanted
    if part_fields.FIRST in form:
        body["parts"] = part_fields.written(form, body.get("parts"))
    return body


def _number(text: str) -> float | int | str | None:
    """Read a number as somebody wrote it; what is none is left to the check, which says so beside the field."""
    if not text.strip():
        return None
    try:
        value = float(text.strip().replace(",", "."))
    except ValueError:
        return text
    return int(value) if value == int(value) else value


async def _edit(visit: Visit, name: str, body: dict[str, Any], base: int, more: dict[str, Any], status: int = 200) -> Response:
    facets, templates, models, segments, people = await asyncio.gather(
        visit.api.get("/v1/admin/catalogue/facets"),
        visit.api.get("/v1/admin/templates"),
        visit.api.get("/v1/admin/models"),
        visit.api.get("/v1/admin/segments"),
        sample_people(visit),
    )
    wanted = {**Filter().model_dump(mode="json"), **(body.get("filter") or {})} if isinstance(body.get("filter", {}), dict) else {}
    chosen = set(wanted.get("categories") or ())
    brands = [one for one in facets["brands"] if one["name"] in (wanted.get("brands") or ())]
    brands += [one for one in facets["brands"] if one not in brands][:_MOST_BRANDS]
    values = {
        "view": "form", "live": False, "problems": {}, "conflict": None, "trial": dry_runs.NONE,
        "text": json.dumps(body, indent=2, ensure_ascii=False), **more,
    }  # fmt: skip
    return visit.page(
        "content/placement.html", status, kind=KIND, name=name, body=body, filter=wanted, base=base, people=people,
        where=_spelled(wanted.get("where")), said=_said(wanted.get("where")),
        tabs=editing.tabs(KIND, name) if base else [], tree=tree(facets["categories"], chosen), brands=brands, chosen=chosen,
        parts=part_fields.rows(body.get("parts")), seeds=part_fields.SEEDS,
        templates=[one["name"] for one in templates["templates"]], segments=[one["name"] for one in segments["segments"]],
        recommenders=sorted({"popular", "personal", *(one["recommender"] for one in models["models"])}), **values,
    )  # fmt: skip


def _spelled(where: Any) -> str:
    return where if isinstance(where, str) else json.dumps(where, ensure_ascii=False) if where else ""


def _said(where: Any) -> str:
    """Return what the condition of a filter says in words, empty where it cannot be read: the check tells why."""
    try:
        found = conditions.read(where, conditions.facts_of())
    except Wrong:
        return ""
    return found.sentence if found is not None else ""


def tree(categories: Iterable[dict[str, Any]], chosen: set[str]) -> list[dict[str, Any]]:
    """Return categories as branches, those above what is chosen open; the first two thousand."""
    roots: list[dict[str, Any]] = []
    known: dict[str, dict[str, Any]] = {}
    for one in list(categories)[:_MOST_BRANCHES]:
        above, _, last = one["name"].rpartition(" > ")
        branch = {"value": one["name"], "name": last, "count": one["items"], "below": [], "open": False}
        known[one["name"]] = branch
        (known[above]["below"] if above in known else roots).append(branch)
    for name in chosen:
        above = name.rpartition(" > ")[0]
        while above:
            if above in known:
                known[above]["open"] = True
            above = above.rpartition(" > ")[0]
    return roots
