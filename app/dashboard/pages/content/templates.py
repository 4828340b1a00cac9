"""Templates: what blocks look like; edit with errors on their line and a live preview as any person, beside any item."""

import asyncio
import re
from typing import Annotated, Any

from fastapi import APIRouter, Form
from starlette.responses import JSONResponse, Response

from app.content.templates.defaults import DEFAULTS
from app.dashboard.api_client import ApiProblem, part
from app.dashboard.context import Here, Visit
from app.dashboard.pages.content import dry_runs, editing, preview
from app.dashboard.pages.content.editing import DocumentPages
from app.dashboard.pages.home import sample_people
from app.dashboard.ui.table import Column, Table

KIND = DocumentPages("templates", "template")
router = APIRouter(prefix="/templates")
editing.add_routes(router, KIND)
_COLUMNS = (
    Column("name", "Template"), Column("used", "Shown in"),
    Column("size", "Characters", "number", wide=True), Column("version", "Version", "number"),
)  # fmt: skip
PARTS = (
    ("html.frame", "HTML, around the cards"), ("html.card", "HTML, one card"), ("text.frame", "Text, around the cards"),
    ("text.card", "Text, one card"),
)  # fmt: skip
_LINE = re.compile(r"(?:^|\s|')(\d+):\d+")


@router.get("")
async def templates(visit: Here) -> Response:
    """Show all published templates and where they are used."""
    found, placements = await asyncio.gather(visit.api.get("/v1/admin/templates"), visit.api.get("/v1/admin/placements"))
    rows = [
        {
            "name": one["name"],
            "used": ", ".join(place["name"] for place in placements["placements"] if place["placement"]["template"] == one["name"])
            or "nowhere",
            "size": sum(len(text) for parts in one["template"].values() for text in parts.values()),
            "version": one["version"],
            "to": f"/templates/{part(one['name'])}",
        }
        for one in found["templates"]
    ]
    table = Table("templates", _COLUMNS, rows, link="to", empty="There is no template yet: make the first one.")
    return visit.page("content/templates.html", table=table)


@router.get("/new")
async def new(visit: Here, name: str = "", like: str = "") -> Response:
    """Begin a template from another one."""
    if not name:
        return visit.page("content/new.html", kind=KIND, what="It begins as a copy of grid.")
    body = DEFAULTS["grid"]
    if like:
        body = (await editing.published(visit, KIND, like))["template"]
    return await _edit(visit, name, body, 0, {})


@router.get("/{name}")
async def edit(visit: Here, name: str, version: int | None = None) -> Response:
    """Edit a template."""
    found = await editing.opened(visit, KIND, name, version)
    return await _edit(visit, name, found["template"], found["version"] if found["published"] else 0, {"live": found["published"]})


@router.post("/{name}")
async def save(visit: Here, name: str, act: Annotated[str, Form()] = "publish", base: Annotated[int, Form()] = 0) -> Response:
    """Publish a template, keep it as a draft, or try it."""
    form = await visit.request.form()
    body = written(form)
    try:
        if act in dry_runs.ACTS:
            return await _edit(visit, name, body, base, {"trial": await dry_runs.acted(visit, KIND, name, body, form, act)})
        made = await editing.save(visit, KIND, name, body, base, draft=act == "draft")
    except ApiProblem as problem:
        base, more, status = await editing.refused(visit, KIND, name, base, problem)
        found = problem.errors or [{"field": "", "message": problem.detail}]
        return await _edit(visit, name, body, base, {"problems": found, **more}, status)
    if act == "draft":
        return visit.go(f"/templates/{part(name)}/versions", f"Kept as draft {made['version']}; nobody gets it before you make it live.")
    return visit.go(f"/templates/{part(name)}", f"Version {made['version']} is live: it shows in answers within a second.")


@router.post("/{name}/preview")
async def show(visit: Here, name: str) -> Response:
    """Show a template as it is being edited, as a person would get it."""
    try:
        body = {**await preview.asked(visit.request, document=False), "document": written(await visit.request.form())}
        return preview.letter(await preview.shown(visit, "templates", name, body))
    except ApiProblem:
        return preview.letter("<p>This cannot be shown; the words beside it say why.</p>")


@router.post("/{name}/notes")
async def notes(visit: Here, name: str) -> Response:
    """Say whether a template can be shown, and what is found in it."""
    found = await editing.checked(visit, KIND, name, written(await visit.request.form()))
    return JSONResponse(editing.told(found))


def written(form: Any) -> dict[str, Any]:
    """Return the document that a form says; browsers end lines in two characters, files in one."""
    body: dict[str, Any] = {"html": {}, "text": {}}
    for name, _ in PARTS:
        kind, _, piece = name.partition(".")
        body[kind][piece] = str(form.get(name, "")).replace("\r\n", "\n")
    return body


def lines(problems: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Return problems with the part and the line that each is on, as far as its message says them."""
    found = []
    for one in problems:
        line = _LINE.search(one["message"])
        field = one["field"] or next((name for name, _ in PARTS if one["message"].startswith(name.replace(".", " "))), "")
        found.append({"field": field, "line": int(line[1]) if line else None, "message": one["message"].strip()})
    return found


async def _edit(visit: Visit, name: str, body: dict[str, Any], base: int, more: dict[str, Any], status: int = 200) -> Response:
    placements, people = await asyncio.gather(visit.api.get("/v1/admin/placements"), sample_people(visit))
    names = [one["name"] for one in placements["placements"]]
    users = [one["name"] for one in placements["placements"] if one["placement"]["template"] == name]
    values = {"live": False, "problems": [], "conflict": None, "trial": dry_runs.NONE, **more}
    values["problems"] = lines(values["problems"])
    texts = [(key, title, body.get(key.split(".")[0], {}).get(key.split(".")[1], "")) for key, title in PARTS]
    return visit.page(
        "content/template.html", status, kind=KIND, name=name, base=base, parts=texts, placements=names, users=users, people=people,
        tabs=editing.tabs(KIND, name) if base else [], **values,
    )  # fmt: skip
