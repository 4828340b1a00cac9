"""The form of the import assistant: options as fields, a column a line, and what words mean."""

import json
from typing import Any, Literal

from pydantic import BaseModel, Field

from app.dashboard.ui import forms
from app.data.events.formats.mapping import FIELDS as EVENT_FIELDS
from app.data.uploads.domain import ITEM_FIELDS, KINDS

MOST_COLUMNS = 300
_MOST_SHOWN = 20
KEEP, LEAVE = "=", "-"


class _Dialect(BaseModel):
    format: Literal["auto", "csv", "tsv", "json", "jsonl", "xml", "xlsx"] = Field("auto", description="auto reads exports of shops too.")
    encoding: str = Field("utf-8", description="Such as utf-8, cp1252, iso-8859-2, utf-16.")
    delimiter: str = Field("", description="What separates columns; empty: what the header shows. A tab is \\t.")
    decimal: Literal["", ".", ","] = Field("", title="Mark before cents", description="Where 1.299 can be read in two ways.")
    timezone: str = Field("", title="Time zone", description="Of dates without an offset, such as Europe/Berlin; empty: UTC.")


class ItemsForm(_Dialect):
    """What is said of a feed."""

    currency: str = Field("", description="Of prices that name none, such as EUR.")
    base_url: str = Field("", title="Address of the shop", description="Completes links such as /p/1: https://shop.example")
    strict: bool = Field(False, title="All or nothing", description="Land nothing when one row is refused.")
    full: bool = Field(False, title="This is the whole catalogue", description="Items that are not in the file become unavailable.")
    force: bool = Field(False, title="Even if a fifth goes", description="Allow the whole catalogue to lose more than 20 %.")


class EventsForm(_Dialect):
    """What is said of a file of events."""

    source: str = Field("", description="Where these events come from; a row lands once a source.")
    kind: Literal["", "view", "cart", "purchase", "wishlist", "rating", "click", "impression", "return"] = Field(
        "", title="Every row is a", description="Where no column says what people did."
    )
    time_format: str = Field("", title="How moments are written", description="Such as %d.%m.%Y %H:%M; empty: ISO 8601 or unix time.")


_FORMS: dict[str, type[BaseModel]] = {"items": ItemsForm, "events": EventsForm}


def shown(what: str, options: dict[str, Any], preview: dict[str, Any]) -> dict[str, Any]:
    """Return fields, columns and choices for the template."""
    columns = []
    for one in preview["columns"][:MOST_COLUMNS]:
        given = options["columns"].get(one["name"])
        value = given or one["field"] or (LEAVE if what == "events" or given == "" else KEEP)
        columns.append({**one, "value": value, "own": one["field"] if given is None else ""})
    return {
        "fields": forms.fields(_FORMS[what], options),
        "columns": columns,
        "hidden_columns": max(0, len(preview["columns"]) - MOST_COLUMNS),
        "choices": ITEM_FIELDS if what == "items" else EVENT_FIELDS,
        "kind_choices": KINDS,
        "pairs": _pairs(preview),
        "refusing": any(row["fault"] or row["notes"] for row in preview["rows"]),
    }


def _pairs(preview: dict[str, Any]) -> list[tuple[str, str]]:
    """Return fields with the columns that fill them, then the columns that fill none of ours."""
    by_field: dict[str, str] = {}
    for one in preview["columns"]:
        if one["field"]:
            by_field.setdefault(one["field"], one["name"])
    landing = dict.fromkeys(name for row in preview["rows"] for name in row["mapped"])
    fields = [*landing, *(name for name in by_field if name not in landing)]
    rest = [one["name"] for one in preview["columns"] if one["name"] not in by_field.values()]
    return [*((name, by_field.get(name, "")) for name in fields), *(("", name) for name in rest[:_MOST_SHOWN])]


def written(form: Any, what: str) -> dict[str, Any]:
    """Return the options that a form says, on top of those that it came with."""
    try:
        options: dict[str, Any] = json.loads(str(form.get("options", "{}")))
    except ValueError:
        options = {}
    values, _ = forms.read(_FORMS[what], form)
    options |= {name: "" if value is None else value for name, value in values.items()}
    for name, field in _FORMS[what].model_fields.items():
        options.setdefault(name, field.default)
        if name in form and not str(form[name]).strip():
            options[name] = "" if name != "encoding" else "utf-8"
    options["columns"] = _columns(form, options.get("columns") or {}, what)
    words = dict(zip(form.getlist("word"), form.getlist("means"), strict=False))
    if words:
        options["kinds"] = {word: kind for word, kind in words.items() if kind in KINDS}
    return options


def _columns(form: Any, before: dict[str, str], what: str) -> dict[str, str]:
    columns = dict(before)
    for name, own, field in zip(form.getlist("column"), form.getlist("own"), form.getlist("field"), strict=False):
        if field in (KEEP, own) and (what == "items" or field == KEEP):
            # it is called so by itself
            columns.pop(name, None)
        elif field == LEAVE:
            columns[name] = ""
        else:
            columns[name] = field
        if what == "events" and not columns.get(name):
            columns.pop(name, None)
    return columns
