"""Home: what needs a human, how things stand, and a block as somebody sees it."""

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
from app.dashboard.render import moment, page, percent

router = APIRouter()
_SPANS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=30)}
_EVERY_S = 10.0
RUNGS = ("live", "cached", "stale", "segment", "popular", "fixed", "newest")


async def tiles(visit: Visit, span: str = "day") -> dict[str, Any]:
    """Return what the tiles and the charts show."""
    until = datetime.now(UTC)
    since = until - _SPANS.get(span, _SPANS["day"])
    overview, findings = await asyncio.gather(
        visit.api.get("/v1/admin/overview", **{"from": since.isoformat(), "to": until.isoformat()}), visit.api.get("/v1/admin/findings")
    )
    return {"overview": overview, "findings": findings["findings"], "span": span, "sparks": _sparks(overview["steps"])}


def _sparks(steps: list[dict[str, Any]]) -> dict[str, list[float | None]]:
    return {
        "answers": [float(sum(step["rungs"].values())) for step in steps],
        "events": [float(step["events"]) for step in steps],
        "p99": [step["p99_ms"] for step in steps],
    }


def charts(overview: dict[str, Any]) -> list[Any]:
    """Return the charts of a time."""
    steps = [(moment(step["at"]) or datetime.now(UTC), step) for step in overview["steps"]]
    rungs = [name for name in RUNGS if any(step["rungs"].get(name) for _, step in steps)]
    return [
        svg.line(
            "Answers by rung", [Line(name, [(at, float(step["rungs"].get(name, 0))) for at, step in steps]) for name in rungs], stacked=True
        ),
        svg.line(
            "Latency, ms",
            [Line("p50", [(at, step["p50_ms"]) for at, step in steps]), Line("p99", [(at, step["p99_ms"]) for at, step in steps])],
        ),
        svg.line("Events", [Line("events", [(at, float(step["events"])) for at, step in steps])]),
        svg.line("Oldest event not yet in a profile, s", [Line("lag", [(at, step["apply_lag_s"]) for at, step in steps])]),
    ]


@router.get("/")
async def home(visit: Here, span: str = "day") -> Response:
    """Show how things stand."""
    shown, sends, placements, people = await asyncio.gather(
        tiles(visit, span), _today(visit), visit.api.get("/v1/admin/placements"), sample_people(visit)
    )
    names = [one["name"] for one in placements["placements"]]
    return visit.page("home.html", **shown, plots=charts(shown["overview"]), sends=sends, placements=names, people=people, spans=_SPANS)


async def sample_people(visit: Visit) -> list[str]:
    """Return ids of some people to preview as, the last to have done something."""
    try:
        found = await visit.api.get("/v1/admin/people", limit=12)
    except ApiProblem:
        return []
    return [one["user_id"] for one in found["people"] if one["user_id"]]


async def _today(visit: Visit) -> list[dict[str, Any]]:
    near = datetime.now(UTC) + timedelta(days=2)
    found = (await visit.api.get("/v1/admin/sends"))["sends"]
    open_ = [one for one in found if one["status"] in ("waiting", "warming", "warm") and (moment(one["start"]) or near) < near]
    return list(await asyncio.gather(*(visit.api.get(f"/v1/admin/sends/{one['id']}") for one in open_[:5])))


@router.get("/live")
async def live_tiles(visit: Here, request: Request, span: str = "day") -> StreamingResponse:
    """Send the tiles anew again and again."""

    async def piece() -> tuple[str, str]:
        shown = await tiles(visit, span)
        return "tiles", page("parts/home_tiles.html", percent=percent, **shown)

    return live.stream(request, piece, every_s=_EVERY_S)
