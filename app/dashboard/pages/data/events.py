"""Events: what comes in this moment, how much of it, how late it is, and what of it nobody knew."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from app.dashboard import live
from app.dashboard.api_client import ApiProblem
from app.dashboard.charts import svg
from app.dashboard.charts.svg import Line
from app.dashboard.context import Here, Visit
from app.dashboard.pages.data.people import address
from app.dashboard.render import moment, page, query
from app.dashboard.ui.table import Column, Table
from app.data.kinds import KIND_NAMES

router = APIRouter(prefix="/events")
TABS = (("live", "Live", "/events"), ("refused", "Refused", "/events/refused"))
_SPANS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=30)}
_EVERY_S = 2.0
_SHOWN, _MOST_LINES = 25, 6
# What a call stores late has an earlier moment than what was shown already: the last seconds are looked at again.
_AGAIN = timedelta(seconds=10)
_NAMES = (Column("name", "Name"), Column("count", "Events", "number"), Column("last_at", "Last", "ago"))
_ITEMS = (Column("item_id", "Id", "code"), Column("count", "Events", "number"), Column("last_at", "Last", "ago"))
_WITHOUT = (
    Column("kind", "Kind", "badge"), Column("source", "From"), Column("without", "Without their item", "number"),
    Column("share", "Of all", "share"),
)  # fmt: skip
_FILTER = ("kind", "source", "item", "person", "by")


def _asked(request: Request) -> dict[str, str]:
    return {name: request.query_params.get(name, "").strip() for name in _FILTER}


def lines(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return events as the tail shows them, with the address of the person."""
    for one in found:
        whose = one["person"]
        one["to"] = address(whose["value"], whose["kind"]) if whose else ""
    return found


@router.get("")
async def events(visit: Here, request: Request, span: str = "day", before: str = "") -> Response:
    """Show the newest events, how many come, and what nobody knew."""
    asked, until = _asked(request), datetime.now(UTC)
    since = until - _SPANS.get(span, _SPANS["day"])
    overview, unknown, refused, (found, problem) = await asyncio.gather(
        visit.api.get("/v1/admin/overview", **{"from": since.isoformat(), "to": until.isoformat()}),
        visit.api.get("/v1/admin/events/unknown"),
        visit.api.get("/v1/admin/refused-events", limit=1),
        _found(visit, asked, before),
    )
    for one in unknown["without_item"]:
        one["share"] = one["without"] / one["count"]
    shown = {name: value for name, value in asked.items() if value}
    return visit.page(
        "events/events.html", asked=asked, span=span, spans=_SPANS, tabs=TABS, kinds=list(KIND_NAMES), found=found, problem=problem,
        sources=sorted({"live", *(one["source"] for one in overview["events"] if one["source"])}), first=not before,
        stream=f"/events/live{query(shown)}" if not before and not problem else "", plots=charts(overview), unknown=unknown,
        more=f"/events{query({**shown, 'span': span}, before=found['next'])}" if found["next"] else "",
        spans_of={one: f"/events{query(shown, span=one)}" for one in _SPANS}, total=sum(one["count"] for one in overview["events"]),
        refused=sum(one["count"] for one in refused["reasons"]), lag=_lag(overview["steps"]),
        names=Table("unknown names", _NAMES, unknown["names"], empty="Every name stands for a kind."),
        items=Table("unknown items", _ITEMS, unknown["items"], empty="Every item was known."),
        without=Table("without item", _WITHOUT, unknown["without_item"], empty="Every event has the item that it needs."),
    )  # fmt: skip


async def _found(visit: Visit, asked: dict[str, str], before: str) -> tuple[dict[str, Any], str]:
    try:
        found = await visit.api.get("/v1/admin/events", **asked, before=before, limit=_SHOWN)
    except ApiProblem as problem:
        if problem.status not in (400, 404, 422):
            raise
        return {"events": [], "next": None, "newest": None, "looked_at": 0}, problem.detail
    lines(found["events"])
    return found, ""


def _lag(steps: list[dict[str, Any]]) -> float | None:
    known = [step["apply_lag_s"] for step in steps if step["apply_lag_s"] is not None]
    return known[-1] if known else None


def charts(overview: dict[str, Any]) -> list[Any]:
    """Return rates by kind and by source, and the lag."""
    steps = [(moment(step["at"]) or datetime.now(UTC), step) for step in overview["steps"]]

    def by(field: str, title: str) -> Any:
        sums: dict[str, int] = {}
        for _, step in steps:
            for name, count in step[field].items():
                sums[name] = sums.get(name, 0) + count
        names = sorted(sums, key=lambda name: -sums[name])[:_MOST_LINES]
        series = [Line(name.replace("_", " "), [(at, float(step[field].get(name, 0))) for at, step in steps]) for name in names]
        return svg.line(title, series, stacked=True)

    step = overview["step_s"]
    each = f"each {step // 3600} h" if step >= 3600 else f"each {step // 60} min"
    return [
        by("event_kinds", f"Events by kind, {each}"),
        by("event_sources", f"Events by source, {each}"),
        svg.line("Oldest event not yet in a profile, s", [Line("lag", [(at, one["apply_lag_s"]) for at, one in steps])]),
    ]


@router.get("/live")
async def tail(visit: Here, request: Request) -> StreamingResponse:
    """Send what comes in from now on, a few lines at a time."""
    asked = _asked(request)
    seen: set[int] = set()
    # what came before the page was asked for stands on it already
    since = datetime.now(UTC) - timedelta(seconds=_EVERY_S)
    begun = False

    async def piece() -> tuple[str, str]:
        nonlocal since, begun
        start = since - _AGAIN
        found = (await visit.api.get("/v1/admin/events", **asked, after=f"{start.isoformat()}_0", limit=100))["events"]
        fresh = [one for one in found if one["event_no"] not in seen]
        if not begun:
            fresh = [one for one in fresh if (moment(one["received_at"]) or since) >= since]
        begun = True
        seen.clear()
        seen.update(one["event_no"] for one in found)
        since = max([since, *(at for one in found if (at := moment(one["received_at"])))])
        return "tail", page("events/event_lines.html", lines=lines(fresh)) if fresh else ""

    return live.stream(request, piece, every_s=_EVERY_S, mode="prepend")
