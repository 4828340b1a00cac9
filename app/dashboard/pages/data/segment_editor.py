"""The builder of segments: rows of conditions and their text, each following the other, with how many people they are."""

import asyncio
import json
import re
from typing import Annotated, Any

from fastapi import APIRouter, Form
from starlette.responses import JSONResponse, Response

from app.dashboard.api_client import ApiProblem, part
from app.dashboard.context import Here, Visit
from app.dashboard.pages.content import editing
from app.dashboard.pages.data.facts import plain
from app.dashboard.pages.data.people import BY, address
from app.dashboard.pages.data.segments import KIND
from app.dashboard.render import number, percent
from app.dashboard.ui.table import Column, Table
from app.decisions.segments.kind import worth

router = APIRouter(prefix="/segments")
_FIELDS = "all|any|not|known|holds|fact|is|in|not_in|value|other|contains"
_PLACE = re.compile(rf"^(?:at character (?P<character>\d+)|(?P<field>(?:{_FIELDS})(?:\.\w+)*)): ")
_MOST_WORDS = 500
_EMPTY = "Write a condition first: without one nobody would be in it."
_PEOPLE = (Column("value", "Person", sortable=False), Column("what", "Known by", "badge", sortable=False, wide=True))
_MOVES = (
    ("entering", "Would enter", "Nobody of them would enter."),
    ("leaving", "Would leave", "Nobody of them would leave."),
)  # fmt: skip


@router.get("/new")
async def new(visit: Here, name: str = "", of: str = "", when: str = "") -> Response:
    """Begin a segment, of a condition if one is given."""
    if not name:
        return visit.page("segments/segment_new.html", kind=KIND)
    return await _edit(visit, name, {"when": None if of == "list" else when, "description": ""}, 0, {})


@router.get("/{name}/edit")
async def edit(visit: Here, name: str, version: int | None = None) -> Response:
    """Edit a segment."""
    found = await editing.opened(visit, KIND, name, version)
    return await _edit(visit, name, found["segment"], found["version"] if found["published"] else 0, {"live": found["published"]})


@router.post("/{name}/estimate")
async def estimate(
    visit: Here, name: str, when: Annotated[str, Form()] = "", document: Annotated[str, Form()] = ""
) -> Response:  # fmt: skip
    """Tell how many people meet what is being written, and its other spelling; or what is wrong with it and where."""
    try:
        found = await _asked(visit, document or when, is_document=bool(document))
    except ApiProblem as problem:
        return JSONResponse({"problems": problems(problem)})
    about = "About " if found["sampled"] < found["people"] else ""
    share = f" ({percent(found['size'] / found['people'])})" if found["people"] else ""
    told = f"{about}{number(found['size'])} of {number(found['people'])} people{share}"
    if about:
        told += f", between {number(found['low'])} and {number(found['high'])}"
    return JSONResponse({**found, "told": told, "warning": worth(found["size"], found["people"])})


@router.post("/{name}")
async def save(visit: Here, name: str, act: Annotated[str, Form()] = "publish", base: Annotated[int, Form()] = 0) -> Response:
    """Publish a segment, keep it as a draft, or try it on people of the last hour."""
    form = await visit.request.form()
    body: dict[str, Any] = {"description": str(form.get("description", "")).strip(), "when": None}
    rows = str(form.get("document", ""))
    text = str(form.get("when", "")).replace("\r\n", "\n").strip()
    try:
        if form.get("of") != "list":
            # rows that were changed a moment ago are ahead of the text
            body["when"] = (await _asked(visit, rows, is_document=True))["when"] if rows else text
            if not body["when"]:
                raise ApiProblem(422, "invalid", _EMPTY, [{"field": "when", "message": _EMPTY}])
            if act == "try":
                trial = await visit.api.send("POST", f"/v1/admin/segments/{part(name)}/dry-run", {"when": body["when"]})
                return await _edit(visit, name, body, base, {"trial": _tried(trial), "live": base > 0})
        made = await editing.save(visit, KIND, name, body, base, draft=act == "draft")
    except ApiProblem as problem:
        body["when"] = None if form.get("of") == "list" else text
        base, more, status = await editing.refused(visit, KIND, name, base, problem)
        return await _edit(visit, name, body, base, {"rows": rows, **(more or {"problems": problems(problem)})}, status)
    if act == "draft":
        return visit.go(f"/segments/{part(name)}/versions", f"Kept as draft {made['version']}; nobody is judged by it before it is live.")
    findings = ". ".join(one["message"].rstrip(".") for one in made["findings"])
    kind = "bad" if any(one["level"] == "warning" for one in made["findings"]) else "good"
    return visit.go(f"/segments/{part(name)}", f"Version {made['version']} is live. {findings}.", kind)


def problems(problem: ApiProblem) -> list[dict[str, Any]]:
    """Return what is wrong with a condition: message, and the character (from 1) or the part of the document it stands at."""
    found = []
    for one in problem.errors or [{"field": "", "message": problem.detail}]:
        place = _PLACE.match(one["message"])
        field, character = (place["field"], place["character"]) if place else (None, None)
        message = one["message"][place.end() :] if place else one["message"]
        found.append({"field": one["field"], "message": message, "place": field or "", "character": int(character) if character else None})
    return found


def _tried(found: dict[str, Any]) -> dict[str, Any]:
    """Return a dry run with a sentence, its figures, and who would enter and leave as tables where they are named."""
    people, stay = found["people"], found["draft"] - found["entering"]
    named = found["entering_examples"] or found["leaving_examples"]
    share = f"{percent(found['draft'] / people)} of {number(people)}" if people else ""
    return {
        "told": _told(found),
        "tiles": [
            ("In it now", number(found["published"]), f"of {number(people)}"), ("In it by the draft", number(found["draft"]), share),
            ("Would enter", number(found["entering"]), ""), ("Would leave", number(found["leaving"]), f"{number(stay)} stay"),
        ],
        "cut": found["cut"],
        "moves": [(title, _table(key, found, empty)) for key, title, empty in _MOVES] if named else [],
    }  # fmt: skip


def _told(found: dict[str, Any]) -> str:
    if not found["people"]:
        return "Nobody whose facts are known had an event in the last hour, so that there is nobody to try it on."
    who = f"Of {number(found['people'])} {'person' if found['people'] == 1 else 'people'} with events in the last hour"
    if not found["entering"] and not found["leaving"]:
        return f"{who} nobody would enter or leave; {number(found['draft'])} would be in it."
    return f"{who} {number(found['draft'])} would be in it: {number(found['entering'])} would enter and {number(found['leaving'])} leave."


def _table(key: str, found: dict[str, Any], empty: str) -> Table:
    rows = [{**one, "what": BY[one["kind"]], "to": address(one["value"], one["kind"])} for one in found[f"{key}_examples"]]
    return Table(key, _PEOPLE, rows, link="to", total=found[key], empty=empty)


async def _asked(visit: Visit, written: str, *, is_document: bool) -> dict[str, Any]:
    """Return what the API says of a condition; raises ApiProblem."""
    try:
        when = json.loads(written) if is_document else written.strip()
    except ValueError as error:
        raise ApiProblem(422, "invalid", f"The rows cannot be read: {error}") from error
    found: dict[str, Any] = await visit.api.send("POST", "/v1/admin/segments/estimate", {"when": when})
    return found


async def _edit(visit: Visit, name: str, body: dict[str, Any], base: int, more: dict[str, Any], status: int = 200) -> Response:
    facts, facets, segments, traits = await asyncio.gather(
        visit.api.get("/v1/admin/facts"),
        visit.api.get("/v1/admin/catalogue/facets"),
        visit.api.get("/v1/admin/segments"),
        visit.api.get("/v1/admin/facts/trait"),
    )
    of_people = [{**one, "sentence": plain(one["sentence"])} for one in facts["facts"] if one["subject"] == "person"]
    keys = {
        "category": [one["name"] for one in facets["categories"][:_MOST_WORDS]],
        "brand": [one["name"] for one in facets["brands"][:_MOST_WORDS]],
        "segment": [one["name"] for one in segments["segments"] if one["name"] != name],
        "trait": [one["value"] for one in traits["keys"]],
    }
    values = {"live": False, "problems": [], "conflict": None, "rows": "", "trial": None, **more}
    when = body.get("when")
    text = when if isinstance(when, str) else "" if when is None else None
    if text is None:
        # published as a document: its text is what the API spells
        values["rows"] = values["rows"] or json.dumps(when)
        text = ""
        try:
            text = (await _asked(visit, json.dumps(when), is_document=True))["when"]
        except ApiProblem as problem:
            values["problems"] = values["problems"] or problems(problem)
    return visit.page(
        "segments/segment_edit.html", status, kind=KIND, name=name, base=base, text=text, is_list=when is None,
        description=body.get("description", ""), facts=of_people, keys=keys,
        tabs=editing.tabs(KIND, name) if base or values["live"] else [], **values,
    )  # fmt: skip
