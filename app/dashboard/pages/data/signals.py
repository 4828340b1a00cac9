"""Signals: what became of content, as rates with their denominators, day by day, and against the time before."""

import asyncio
import csv
import io
from datetime import UTC, date, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from app.dashboard import live
from app.dashboard.api_client import ApiAway, ApiProblem
from app.dashboard.charts import svg
from app.dashboard.charts.svg import Line
from app.dashboard.context import Here, Visit
from app.dashboard.render import page, percent, query
from app.dashboard.ui.table import Column, Table

router = APIRouter(prefix="/signals")
_DAYS, _LONGEST = 30, 400
_EXACT_EVERY_S = 600.0
# what a rate is called, its name in the API, its parts, and whether more of it is better
RATES = (
    ("Delivered", "delivered_per_sent", "delivered", "sent", True), ("Bounced", "bounced_per_sent", "bounce", "sent", False),
    ("Opened", "opened_per_delivered", "open", "delivered", True), ("Clicked", "clicked_per_delivered", "click", "delivered", True),
    ("Unsubscribed", "unsubscribed_per_delivered", "unsubscribe", "delivered", False),
    ("Complained", "complained_per_delivered", "complaint", "delivered", False),
    ("Clicks an answer", "clicked_per_answer", "click", "serve", True),
    ("Orders an answer", "orders_per_answer", "conversion", "serve", True),
)  # fmt: skip
SIGNALS = ("sent", "delivered", "bounce", "complaint", "unsubscribe", "serve", "impression", "open", "click", "conversion")
NAMES = {"serve": "answers", "conversion": "orders", "open": "opens", "click": "clicks", "impression": "impressions", "bounce": "bounces",
         "complaint": "complaints", "unsubscribe": "unsubscribes"}  # fmt: skip
_GROUPS = (
    Column("serve", "Answers", "number"), Column("click", "Clicks", "number"),
    Column("clicked", "Clicks an answer", "share"), Column("conversion", "Orders", "number"),
    Column("ordered", "Orders an answer", "share", wide=True), Column("revenue", "Revenue", "amount", wide=True),
    Column("machine", "By machines", "number", wide=True),
)  # fmt: skip
_MACHINES = (Column("name", "Why it is a machine's"), Column("count", "Signals", "number"))
_EXACT = (
    Column("signal", "Signal"), Column("count", "Signals", "number"), Column("unique", "People and campaigns", "number"),
    Column("answers", "Answers", "number", wide=True), Column("machine", "By machines", "number"),
)  # fmt: skip


def span(since: str, until: str) -> tuple[date, date]:
    """Return the first and the last day that were asked for: the last thirty days where they make no time."""
    today = datetime.now(UTC).date()
    try:
        last = date.fromisoformat(until) if until else today
        first = date.fromisoformat(since) if since else last - timedelta(days=_DAYS - 1)
    except (ValueError, OverflowError):
        first, last = today - timedelta(days=_DAYS - 1), today
    if first > last or not 1970 <= first.year <= last.year < 9999:
        first, last = today - timedelta(days=_DAYS - 1), today
    return max(first, last - timedelta(days=_LONGEST - 1)), last


async def _series(visit: Visit, first: date, last: date, asked: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = await visit.api.get("/v1/admin/signals/series", **{"from": first.isoformat(), "to": last.isoformat()}, **asked)
    return found


def _asked(request: Request) -> tuple[date, date, dict[str, str]]:
    given = request.query_params
    return *span(given.get("from", ""), given.get("to", "")), {name: given.get(name, "").strip() for name in ("placement", "campaign")}


@router.get("")
async def signals(visit: Here, request: Request) -> Response:
    """Show what became of content."""
    first, last, asked = _asked(request)
    length = (last - first).days + 1
    problem = ""
    try:
        now, before, placements = await asyncio.gather(
            _series(visit, first, last, asked),
            _series(visit, first - timedelta(days=length), first - timedelta(days=1), asked),
            visit.api.get("/v1/admin/placements"),
        )
    except ApiProblem as told:
        if told.status not in (404, 422):
            raise
        problem, asked = told.detail, {"placement": "", "campaign": ""}
        now, before, placements = await asyncio.gather(
            _series(visit, first, last, asked),
            _series(visit, first - timedelta(days=length), first - timedelta(days=1), asked),
            visit.api.get("/v1/admin/placements"),
        )
    shown = {"from": first.isoformat(), "to": last.isoformat(), **asked}
    return visit.page(
        "signals/signals.html", first=first, last=last, asked=asked, problem=problem, rates=compared(now["total"], before["total"]),
        total=now["total"], before=before["total"], length=length, plots=charts(now["days"]), signals=SIGNALS, called=NAMES,
        placements=[one["name"] for one in placements["placements"]], download=f"/signals/download.csv{query(shown)}",
        stream=f"/signals/exact{query(shown)}" if request.query_params.get("exact") else "", count=f"/signals{query(shown, exact='1')}",
        by_placement=_grouped("Placement", now["placements"], shown, "No placement had a signal in this time."),
        by_campaign=_grouped("Campaign", now["campaigns"], shown, "No campaign is named by a signal of this time."),
    )  # fmt: skip


def compared(now: dict[str, Any], before: dict[str, Any]) -> list[dict[str, Any]]:
    """Return each rate with its parts, and how it changed against the time before (in shares of what it was)."""
    found = []
    for title, name, part, whole, good in RATES:
        value, was = now["rates"][name], before["rates"][name]
        change = (value - was) / was if value is not None and was else None
        kind = "" if change is None or abs(change) < 0.02 else "good" if (change > 0) is good else "bad"
        found.append(
            {"title": title, "value": value, "was": was, "part": now["counts"][part], "whole": now["counts"][whole],
             "parts": f"{NAMES.get(part, part)} of {NAMES.get(whole, whole)}", "change": change, "kind": kind}
        )  # fmt: skip
    return found


def charts(days: list[dict[str, Any]]) -> list[Any]:
    """Return rates and counts by day."""
    moments = [(datetime.combine(date.fromisoformat(one["day"]), datetime.min.time(), UTC), one["counts"]) for one in days]

    def rate(part: str, whole: str) -> list[tuple[datetime, float | None]]:
        return [(at, counts[part] / counts[whole] if counts[whole] else None) for at, counts in moments]

    def count(name: str) -> Line:
        return Line(NAMES.get(name, name), [(at, float(counts[name])) for at, counts in moments])

    return [
        svg.line("Clicks an answer", [Line("clicks an answer", rate("click", "serve"))], write=percent),
        svg.line("Letters", [Line("opened", rate("open", "delivered")), Line("clicked", rate("click", "delivered"))], write=percent),
        svg.line("Answers and clicks", [count("serve"), count("click")]),
        svg.line("Orders that answers brought about", [count("conversion")]),
    ]


def _grouped(title: str, groups: list[dict[str, Any]], shown: dict[str, str], empty: str) -> Table:
    rows = [
        {"name": one["name"], **one["counts"], "clicked": one["rates"]["clicked_per_answer"], "ordered": one["rates"]["orders_per_answer"],
         "revenue": one["revenue"], "machine": sum(one["machines"].values()),
         "to": f"/signals{query(shown, **{title.lower(): one['name']})}"}
        for one in groups
    ]  # fmt: skip
    return Table(f"signals by {title.lower()}", (Column("name", title), *_GROUPS), rows, link="to", empty=empty)


@router.get("/exact")
async def exact(visit: Here, request: Request) -> StreamingResponse:
    """Send the count of different people, which takes longer than a page may."""
    first, last, asked = _asked(request)
    times = {"from": f"{first.isoformat()}T00:00:00Z", "to": f"{(last + timedelta(days=1)).isoformat()}T00:00:00Z"}

    async def piece() -> tuple[str, str]:
        try:
            found = await visit.api.get("/v1/admin/signals", **times, **asked)
        except ApiAway:
            return "exact", page("signals/signals_late.html")
        for one in found["signals"]:
            one["signal"] = NAMES.get(one["signal"], one["signal"])
        why = [{"name": name.replace("_", " "), "count": count} for name, count in found["machines"].items()]
        return "exact", page(
            "signals/signals_exact.html", exact=Table("different people", _EXACT, found["signals"]), rates=found["rates"],
            machines=Table("machines", _MACHINES, why, empty="No machine was seen at work."),
        )  # fmt: skip

    return live.stream(request, piece, every_s=_EXACT_EVERY_S)


@router.get("/download.csv")
async def download(visit: Here, request: Request) -> Response:
    """Return the days as CSV."""
    first, last, asked = _asked(request)
    found = await _series(visit, first, last, asked)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["day", *SIGNALS, *(f"{name}_by_machines" for name in SIGNALS), "revenue"])
    for one in found["days"]:
        machines = [one["machines"].get(name, 0) for name in SIGNALS]
        writer.writerow([one["day"], *(one["counts"][name] for name in SIGNALS), *machines, round(one["revenue"], 4)])
    name = f"signals-{first.isoformat()}-{last.isoformat()}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(text.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)
