"""The report of a dry run as a page shows it."""

from typing import Any

from app.dashboard.api_client import part
from app.dashboard.ui.table import Column, Table

_PLACEMENTS = (
    Column("placement", "Placement"), Column("answers", "Answers", "number", wide=True), Column("changed", "Other items", "number"),
    Column("reordered", "Another order", "number", wide=True), Column("before", "Filled now", "share"),
    Column("after", "Filled with it", "share"), Column("rungs", "From, now and with it", wide=True),
)  # fmt: skip
_ITEMS = (
    Column("title", "Item"), Column("published", "Now", "number"), Column("draft", "With it", "number"),
    Column("change", "Change", "number"),
)  # fmt: skip


def shown(report: dict[str, Any]) -> dict[str, Any]:
    """Return a report with its tables."""
    places = report["places"] or 1
    rows = [
        {**one, "before": one["published"]["filled"] / (one["places"] or 1), "after": one["draft"]["filled"] / (one["places"] or 1),
         "rungs": f"{_rungs(one['published'])} → {_rungs(one['draft'])}", "to": f"/placements/{part(one['placement'])}"}
        for one in report["placements"]
    ]  # fmt: skip
    return {
        **report,
        "changed": report["changed_people"] / (report["people"] or 1),
        "filled_before": report["published"]["filled"] / places,
        "filled_after": report["draft"]["filled"] / places,
        "by_placement": Table("tried", _PLACEMENTS, rows, link="to"),
        "tables": [
            (name, _bars(report[key]), Table(key, _ITEMS, _items(report[key]), link="to", empty=f"No item {verb}."))
            for key, name, verb in (("winners", "Winners", "wins"), ("losers", "Losers", "loses"))
        ],
    }  # fmt: skip


def _rungs(side: dict[str, Any]) -> str:
    return ", ".join(f"{rung} {count}" for rung, count in side["rungs"].items())


def _items(moved: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**one, "title": one["title"] or one["item_id"], "to": f"/catalogue/items/{part(one['item_id'])}"} for one in moved]


def _bars(moved: list[dict[str, Any]]) -> list[tuple[str, float]]:
    return [((one["title"] or one["item_id"])[:40], float(abs(one["change"]))) for one in moved]
