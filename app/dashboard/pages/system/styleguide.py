"""Every component of the pages, with made-up values: what tests photograph, and what a new page is built from."""

from datetime import UTC, datetime, timedelta

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from app.dashboard.charts import svg
from app.dashboard.charts.svg import Line
from app.dashboard.context import Here
from app.dashboard.ui import diff, forms
from app.dashboard.ui.table import Column, Table

router = APIRouter()
_START = datetime(2026, 11, 1, tzinfo=UTC)


class _Sample(BaseModel):
    name: str = Field(description="What people call it.", min_length=1)
    kind: str = Field("esp", description="What it is.")
    limit: int = Field(10, ge=1, le=100, description="Between 1 and 100.")
    origins: list[str] = Field([], description="Web origins.")
    active: bool = Field(True, description="Whether it may be used.")


def _series(name: str, base: float, step: float) -> Line:
    return Line(name, [(_START + timedelta(hours=hour), None if hour == 30 else base + step * (hour % 7)) for hour in range(48)])


@router.get("/styleguide")
async def styleguide(visit: Here) -> Response:
    """Show all components."""
    columns = (
        Column("name", "Item"), Column("price", "Price", "amount"), Column("share", "Share", "share"),
        Column("seen", "Seen", "ago", wide=True), Column("state", "State", "badge"),
    )  # fmt: skip
    states = (("in stock", "good"), ("few left", "warn"), ("sold out", "bad"))
    rows = [
        {
            "name": f"Merino jumper {number}",
            "price": 39.9 + number,
            "share": 0.1 * number,
            "seen": _START,
            "state": states[number % 3],
            "to": "#",
        }
        for number in range(5)
    ]
    charts = [
        svg.line("Answers a minute", [_series("live", 40, 3), _series("cached", 20, 2)]),
        svg.line("Rungs", [_series("live", 30, 2), _series("popular", 6, 1)], stacked=True),
        svg.bars("By category", [("Jumpers", 420), ("Shoes & boots", 310), ("Accessories", 80)]),
        svg.histogram("Latency, ms", [1 + (number * 7919 % 97) / 9 for number in range(300)]),
    ]
    tree = [{"value": "Women", "name": "Women", "count": 1200, "open": True,
             "below": [{"value": "Women > Shoes", "name": "Shoes", "count": 210, "open": False, "below": []}]}]  # fmt: skip
    return visit.page(
        "system/styleguide.html",
        table=Table("items", columns, rows, link="to", next="#", total=12_345),
        nothing=Table("nothing", columns, [], empty="No items yet."),
        fields=forms.fields(_Sample, {"name": "", "limit": 900}, {"name": "This is needed.", "limit": "It is at most 100."}),
        plots=charts,
        spark=svg.sparkline([1, 3, 2, 5, 4, 6], "rising"),
        diff=diff.rows("count: 4\nrecommender: popular\ntemplate: grid", "count: 6\nrecommender: personal\ntemplate: grid"),
        tree=tree,
    )
