"""The report of a dry run as a page shows it."""

from typing import Any

from app.dashboard.api_client import part
from app.dashboard.render import milliseconds, number, percent
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
_SHOWN = (
    Column("placement", "Placement"), Column("answers", "Answers", "number"), Column("changed", "Look other", "number"),
    Column("published_bytes", "Largest HTML now, bytes", "number", wide=True),
    Column("draft_bytes", "Largest HTML with it, bytes", "number"),
)  # fmt: skip
_FORMATS = (
    Column("format", "Format"), Column("blocks", "Blocks", "number", wide=True), Column("changed", "Look other", "number"),
    Column("mean", "Mean bytes", "number"), Column("most", "Largest, bytes", "number"), Column("faults", "Not written", "number"),
    Column("slowest", "Slowest", wide=True),
)  # fmt: skip
_FAULTS = (Column("message", "Why it could not be written"), Column("format", "Format"), Column("blocks", "Blocks", "number"))


def shown(report: dict[str, Any]) -> dict[str, Any]:
    """Return a report with its tiles, its warnings and its tables."""
    found = _blocks(report) if report["kind"] == "template" else _items(report)
    return {**report, "warns": bool(found["told"] or report["cut"]), **found}


def _items(report: dict[str, Any]) -> dict[str, Any]:
    rows = [
        {**one, "before": _filled(one["published"]), "after": _filled(one["draft"]),
         "rungs": f"{_rungs(one['published'])} → {_rungs(one['draft'])}", "to": f"/placements/{part(one['placement'])}"}
        for one in report["placements"]
    ]  # fmt: skip
    changed, of, what = (
        (report["changed"], report["answers"], "Answers with other items")
        if report["replayed"]
        else (report["changed_people"], report["people"], "People who see other items")
    )
    tables = [
        (
            title,
            f"In so many answers {more}",
            _bars(report[key]),
            Table(key, _ITEMS, _moved(report[key]), link="to", empty=f"No item {verb}."),
        )
        for key, title, more, verb in (("winners", "Winners", "more", "wins"), ("losers", "Losers", "fewer", "loses"))
    ]
    return {
        "tiles": [
            (what, number(changed), f"{percent(changed / (of or 1))} of {number(of)}"),
            ("New in answers that change", percent(report["changed_share"]), ""),
            ("Places filled", percent(_filled(report["draft"])), f"now {percent(_filled(report['published']))}"),
            ("Answers it acts in", number(report["acted"]), f"of {number(report['answers'])}"),
        ],
        "told": [_short(one) for one in report["short"]],
        "wholes": [("By placement", Table("tried", _PLACEMENTS, rows, link="to"))],
        "halves": tables,
    }  # fmt: skip


def _short(one: dict[str, Any]) -> str:
    by = f", left by {', '.join(one['rules'])}" if one["rules"] else ""
    return f"{number(one['answers'])} answers stay short by {number(one['places'])} places{by}."


def _blocks(report: dict[str, Any]) -> dict[str, Any]:
    html = next((one for one in report["formats"] if one["format"] == "html"), None)
    largest = html["draft"]["most_bytes"] if html else 0
    failed = sum(one["blocks"] for one in report["faults"])
    clipped = html["draft"]["clipped"] if html else 0
    rows = [{**one, "to": f"/placements/{part(one['placement'])}"} for one in report["placements"]]
    formats = [
        {"format": one["format"] + ending, "blocks": one["blocks"], "changed": one["changed"], "mean": one[side]["mean_bytes"],
         "most": one[side]["most_bytes"], "faults": one[side]["faults"], "slowest": milliseconds(one[side]["slowest_ms"])}
        for one in report["formats"] for side, ending in (("published", ", now"), ("draft", ", with it"))
    ]  # fmt: skip
    told = [f"{number(clipped)} blocks are alone longer than the 102 KB that Gmail shows of a letter."] if clipped else []
    told += [f"{number(failed)} blocks could not be written: others stand in for the template there."] if failed else []
    slowest = max((one["draft"]["slowest_ms"] for one in report["formats"]), default=None)
    wholes = [("By placement", Table("shown", _SHOWN, rows, link="to")), ("By format", Table("formats", _FORMATS, formats))]
    if report["faults"]:
        wholes.append(("What went wrong", Table("faults", _FAULTS, report["faults"])))
    return {
        "tiles": [
            ("Answers that look other", number(report["changed"]), f"of {number(report['answers'])}"),
            ("Largest HTML", f"{largest / 1000:.1f} KB", f"{percent(largest / report['clipped_bytes'])} of what Gmail shows"),
            ("Blocks not written", number(failed), ""),
            ("Slowest block", milliseconds(slowest), ""),
        ],
        "told": told, "wholes": wholes, "halves": [],
    }  # fmt: skip


def _filled(side: dict[str, Any]) -> float:
    return float(side["filled"] / (side["places"] or 1))


def _rungs(side: dict[str, Any]) -> str:
    return ", ".join(f"{rung} {count}" for rung, count in side["rungs"].items())


def _moved(moved: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**one, "title": one["title"] or one["item_id"], "to": f"/catalogue/items/{part(one['item_id'])}"} for one in moved]


def _bars(moved: list[dict[str, Any]]) -> list[tuple[str, float]]:
    return [((one["title"] or one["item_id"])[:40], float(abs(one["change"]))) for one in moved]
