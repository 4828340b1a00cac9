"""The fields of a rule: those that its action takes, from the model, and what somebody wrote into them."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from app.dashboard.ui import forms
from app.dashboard.ui.forms import Field
from app.decisions.rules.domain import NEEDS, VALUES, Rule

_LABELS = {
    "where": "Which items", "items": "Items by id", "add": "These as well, instead of only these", "factor": "Times as likely",
    "place": "Place", "at_least": "At least, 0 to 1", "at_most": "At most, 0 to 1", "most": "At most", "by": "Of the same",
    "relevance": "Relevance, 0 to 1", "score": "Least score", "days": "Days", "impressions": "Shown so often without a click",
    "recommender": "Recommender", "fallback": "Only where the placement's own one knows too little", "formula": "Formula",
    "when": "When and for whom",
}  # fmt: skip
_HELP = {
    "where": 'As item.category = "Hats" and item.price < 50. Empty: all items.',
    "when": 'As orders.30d >= 3 and ctx.weather = "hot". Empty: always.',
    "formula": "As score * (1 + 0.2 * item.margin).",
}
_LONG = ("where", "when", "formula")
_NUMBERS = ("factor", "place", "at_least", "at_most", "most", "relevance", "score", "days", "impressions")
_CHECKS = ("add", "fallback")


def of_action(action: str, body: dict[str, Any], problems: dict[str, str], recommenders: list[str]) -> list[Field]:
    """Return the fields of an action, and those of others that somebody wrote something wrong into."""
    needed, possible = NEEDS[action]
    names = tuple(one for one in VALUES if one in {*needed, *possible})
    return [_worded(one, one.name in needed, recommenders) for one in forms.fields(Rule, _plain(body), problems, only=names)]


def common(body: dict[str, Any], problems: dict[str, str]) -> dict[str, Field]:
    """Return the fields that all rules have, by name."""
    names = ("when", "priority", "group", "description")
    return {one.name: _worded(one, False, []) for one in forms.fields(Rule, _plain(body), problems, only=names)}


def schedule(body: dict[str, Any]) -> dict[str, str]:
    """Return both ends of a schedule as a field for moments takes them."""
    return {name: _moment(body.get(name)) for name in ("starts_at", "ends_at")}


def written(form: Any) -> dict[str, Any]:
    """Return the document that a form says; raises ValueError for a document that is no JSON object."""
    if form.get("view") == "document":
        body = json.loads(str(form.get("document", "")))
        if not isinstance(body, dict):
            raise ValueError("a rule is a JSON object")
        return body
    action = str(form.get("action", ""))
    takes = {name for some in NEEDS.get(action, ((), ())) for name in some}
    body = {
        "action": action, "placements": [str(one) for one in form.getlist("placements")], "when": condition(form.get("when")),
        "priority": number(str(form.get("priority", ""))) or 0, "group": str(form.get("group", "")).strip(),
        "description": str(form.get("description", "")).strip(), "enabled": "enabled" in form,
        "starts_at": _utc(form.get("starts_at")), "ends_at": _utc(form.get("ends_at")),
    }  # fmt: skip
    for name in takes:
        if name == "items":
            body[name] = [line.strip() for line in str(form.get(name, "")).splitlines() if line.strip()]
        elif name in _CHECKS:
            body[name] = name in form
        elif name in _NUMBERS:
            body[name] = number(str(form.get(name, "")))
        elif name == "where":
            body[name] = condition(form.get(name))
        else:
            body[name] = str(form.get(name, "")).strip()
    return body


def number(text: str) -> float | int | str | None:
    """Read a number as somebody wrote it; what is none is left to the check, which says so beside the field."""
    if not text.strip():
        return None
    try:
        value = float(text.strip().replace(",", "."))
        return int(value) if value == int(value) else value
    except (ValueError, OverflowError):
        return text


def _worded(one: Field, required: bool, recommenders: list[str]) -> Field:
    kind = "long" if one.name in _LONG else "choice" if one.name == "recommender" else one.kind
    choices = tuple(recommenders) if one.name == "recommender" else tuple(filter(None, one.choices))
    about = one.help.partition(": ")[2] or one.help
    return replace(
        one, label=_LABELS.get(one.name, one.label), kind=kind, help=_HELP.get(one.name, about[:1].upper() + about[1:]), choices=choices,
        required=required and kind not in ("number", "choice"),
    )  # fmt: skip


def _plain(body: dict[str, Any]) -> dict[str, Any]:
    """Return values as fields show them: conditions that are documents as JSON, whole numbers without a point."""
    found = {name: json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value for name, value in body.items()}
    return {name: int(value) if isinstance(value, float) and value.is_integer() else value for name, value in found.items()}


def condition(text: Any) -> Any:
    """Read a condition as somebody wrote it: its text, or its document."""
    said = str(text or "").strip()
    if said.startswith("{"):
        try:
            return json.loads(said)
        except ValueError:
            return said
    return said


def _utc(text: Any) -> str | None:
    said = str(text or "").strip()
    try:
        at = datetime.fromisoformat(said)
    except ValueError:
        return said or None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).isoformat()


def _moment(text: Any) -> str:
    if not text:
        return ""
    try:
        return datetime.fromisoformat(str(text)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M")
    except ValueError:
        return str(text)
