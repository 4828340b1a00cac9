"""Rules: which items come, for whom and when; edited in fields, tried on real people, published, rolled back."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Form
from pydantic import ValidationError
from starlette.responses import Response

from app.dashboard.api_client import ApiProblem, part
from app.dashboard.context import Here, Visit
from app.dashboard.pages.content import dry_runs, editing, rule_fields
from app.dashboard.pages.content.editing import DocumentPages
from app.dashboard.ui.table import Column, Table
from app.decisions.rules import words
from app.decisions.rules.domain import Rule

KIND = DocumentPages("rules", "rule")
router = APIRouter(prefix="/rules")
editing.add_routes(router, KIND)
_COLUMNS = (
    Column("name", "Rule"), Column("what", "What it does"), Column("state", "", "badge"), Column("where", "In", wide=True),
    Column("when", "When", wide=True), Column("priority", "Priority", "number", wide=True), Column("group", "Group", wide=True),
    Column("schedule", "From, until", wide=True), Column("version", "Version", "number", wide=True),
)  # fmt: skip
_MOST_ROWS = 500


@router.get("")
async def rules(visit: Here, q: str = "") -> Response:
    """Show all published rules, those that match some words."""
    found = (await visit.api.get("/v1/admin/rules"))["rules"]
    rows = [_row(one) for one in found]
    for word in q.casefold().split():
        rows = [one for one in rows if word in one["text"]]
    rows.sort(key=lambda one: (-one["priority"], one["name"]))
    table = Table(
        "rules", _COLUMNS, rows[:_MOST_ROWS], link="to", total=len(rows),
        empty="No rule matches these words." if q else "There is no rule yet: models alone choose.",
        too_much="Search to see the others." if len(rows) > _MOST_ROWS else "",
    )  # fmt: skip
    if visit.request.headers.get("X-Part"):
        return visit.piece("content/rules_found.html", table=table)
    return visit.page("content/rules.html", table=table, q=q)


def _row(one: dict[str, Any]) -> dict[str, Any]:
    body = one["rule"]
    try:
        rule = Rule.model_validate(body)
    except ValidationError:
        # as another release wrote it
        said = {"what": body.get("action", ""), "where": "", "when": "", "state": ("cannot be read", "bad"), "schedule": ""}
    else:
        spans = [f"{word} {at:%Y-%m-%d %H:%M}" for word, at in (("from", rule.starts_at), ("until", rule.ends_at)) if at is not None]
        said = {
            "what": words.in_words(rule), "where": words.where(rule), "when": words.when(rule), "state": state(rule),
            "schedule": " ".join(spans) or "–",
        }  # fmt: skip
    text = " ".join([one["name"], body.get("description", ""), body.get("action", ""), said["what"], said["where"], said["when"]])
    return {
        "name": one["name"], "version": one["version"], "priority": body.get("priority", 0), "group": body.get("group") or "–", **said,
        "text": text.casefold(), "to": f"/rules/{part(one['name'])}",
    }  # fmt: skip


def state(rule: Rule) -> tuple[str, str]:
    """Return whether a rule acts at this moment, as a badge."""
    now = datetime.now(UTC)
    if not rule.enabled:
        return "off", ""
    if rule.starts_at is not None and now < rule.starts_at:
        return "later", "info"
    if rule.ends_at is not None and now >= rule.ends_at:
        return "over", "warn"
    return "on", "good"


@router.get("/new")
async def new(visit: Here, name: str = "", action: str = "") -> Response:
    """Begin a rule: its name and what it does."""
    if not name or action not in words.ACTIONS:
        return visit.page("content/rule_new.html", name=name, actions=words.ACTIONS)
    return await _edit(visit, name, {"action": action}, 0, {})


@router.get("/{name}")
async def edit(visit: Here, name: str, view: str = "form", version: int | None = None) -> Response:
    """Edit a rule."""
    found = await editing.opened(visit, KIND, name, version)
    base = found["version"] if found["published"] else 0
    return await _edit(visit, name, found["rule"], base, {"view": view, "live": found["published"]})


@router.post("/{name}")
async def save(visit: Here, name: str, act: Annotated[str, Form()] = "publish", base: Annotated[int, Form()] = 0) -> Response:
    """Publish a rule, keep it as a draft, try it on people, or show the fields of another action."""
    form = await visit.request.form()
    view = str(form.get("view", "form"))
    try:
        body = rule_fields.written(form)
    except ValueError as error:
        more = {"view": "document", "text": str(form.get("document", "")), "problems": {"": f"The document is no JSON: {error}"}}
        return await _edit(visit, name, {}, base, more, 422)
    try:
        if act == "fields":
            return await _edit(visit, name, body, base, {"view": view})
        if act in dry_runs.ACTS:
            trial = await dry_runs.acted(visit, KIND, name, body, form, act)
            return await _edit(visit, name, body, base, {"view": view, "trial": trial})
        made = await editing.save(visit, KIND, name, body, base, draft=act == "draft")
    except ApiProblem as problem:
        base, wrong, status = await editing.refused(visit, KIND, name, base, problem)
        return await _edit(visit, name, body, base, {"view": view, "problems": problem.fields or {"": problem.detail}, **wrong}, status)
    if act == "draft":
        return visit.go(f"/rules/{part(name)}/versions", f"Kept as draft {made['version']}; it acts nowhere before you make it live.")
    return visit.go(f"/rules/{part(name)}", f"Version {made['version']} is live: it shows in answers within a second.")


async def _edit(visit: Visit, name: str, body: dict[str, Any], base: int, more: dict[str, Any], status: int = 200) -> Response:
    placements, models = await asyncio.gather(visit.api.get("/v1/admin/placements"), visit.api.get("/v1/admin/models"))
    problems: dict[str, str] = more.get("problems", {})
    notes = await _notes(visit, name, body) if body and not problems and visit.may("content") else []
    recommenders = sorted({"popular", "personal", *(one["recommender"] for one in models["models"])})
    action = body.get("action")
    values = {
        "view": "form", "live": False, "problems": problems, "conflict": None, "trial": dry_runs.NONE,
        "text": json.dumps(body, indent=2, ensure_ascii=False), **more,
    }  # fmt: skip
    known = [one["name"] for one in placements["placements"]]
    chosen = [str(one) for one in body.get("placements") or ()]
    return visit.page(
        "content/rule.html", status, kind=KIND, name=name, body=body, base=base, tabs=editing.tabs(KIND, name) if base else [],
        actions=words.ACTIONS, fields=rule_fields.of_action(str(action), body, problems, recommenders) if action in words.ACTIONS else [],
        common=rule_fields.common(body, problems), schedule=rule_fields.schedule(body), notes=notes, chosen=chosen,
        placements=known + [one for one in chosen if one not in known], **values,
    )  # fmt: skip


async def _notes(visit: Visit, name: str, body: dict[str, Any]) -> list[dict[str, str]]:
    """Return what is found in a rule that may be published: its conditions in words, and warnings."""
    return [one for one in await editing.checked(visit, KIND, name, body) if one["level"] != "error"]
