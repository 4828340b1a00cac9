"""The catalogue: found as somebody types, and all that is known of one item."""

import asyncio
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from app.core.paths import IdRoute
from app.dashboard.api_client import part
from app.dashboard.context import Here
from app.dashboard.render import query
from app.dashboard.ui.table import Column, Table

router = APIRouter(route_class=IdRoute)
_MOST_WORDS = 500
_EVERYBODY = "everybody"
_COLUMNS = (
    Column("title", "Item", sortable=False), Column("image", "", "picture", sortable=False),
    Column("item_id", "Id", "code", wide=True, sortable=False),
    Column("category", "Category", wide=True, sortable=False), Column("brand", "Brand", wide=True, sortable=False),
    Column("price", "Price", "amount", sortable=False), Column("currency", "", wide=True, sortable=False),
    Column("stock", "Stock", "badge", sortable=False), Column("updated_at", "Changed", "ago", wide=True, sortable=False),
)  # fmt: skip
_VARIANTS = (
    Column("title", "Item"), Column("item_id", "Id", "code"), Column("price", "Price", "amount"), Column("currency", "", wide=True),
    Column("stock", "Stock", "badge"),
)  # fmt: skip
_SHOWN = (Column("placement", "Placement"), Column("answers", "Answers", "number"), Column("last_at", "Last", "ago"))
_BUYERS = (Column("value", "Person"), Column("kind", "Kind of id", wide=True), Column("bought_at", "Bought", "when"))
_POPULAR = (Column("list", "List"), Column("rank", "Rank", "number"), Column("of", "Of", "number"))


@router.get("/catalogue")
async def catalogue(
    visit: Here, q: str = "", category: str = "", brand: str = "", kind: str = "", stock: str = "", before: str = ""
) -> Response:
    """Show items that are looked for."""
    asked = {"q": q[:200], "category": category, "brand": brand, "kind": kind, "stock": stock}
    wanted: dict[str, Any] = {**asked, "available": {"in": "true", "out": "false"}.get(stock, ""), "before": before}
    del wanted["stock"]
    if visit.request.headers.get("x-part"):
        found = await visit.api.get("/v1/admin/catalogue/items", **wanted)
        return visit.piece("parts/catalogue_found.html", table=_table(found, asked))
    found, facets = await asyncio.gather(visit.api.get("/v1/admin/catalogue/items", **wanted), visit.api.get("/v1/admin/catalogue/facets"))
    words: dict[str, Any] = {
        name: _chosen(facets[name], asked[one]) for name, one in (("categories", "category"), ("brands", "brand"), ("kinds", "kind"))
    }
    return visit.page("catalogue/catalogue.html", table=_table(found, asked), asked=asked, products=facets["items"], **words)


@router.get("/catalogue/items/{item_id:id}")
async def item(visit: Here, item_id: str, buyers: bool = False) -> Response:
    """Show all that is known of an item."""
    named = {"buyers": "true"} if buyers and visit.may("profiles") else {}
    found = await visit.api.get(f"/v1/admin/catalogue/items/{part(item_id)}", **named)
    shown = [{**one, "to": f"/placements/{part(one['placement'])}"} if one["placement"] else one for one in found["shown"]["placements"]]
    people = [{**one, "to": f"/people?q={part(one['value'])}"} for one in found["buyers"] or ()]
    lists = [{**one, "list": _list(one["list"])} for one in found["popular"]]
    return visit.page(
        "catalogue/item.html",
        found=found,
        item=found["item"],
        best=next((one for one in lists if one["list"] == _EVERYBODY), lists[0] if lists else None),
        variants=Table("variants", _VARIANTS, [row(one) for one in found["variants"]], link="to"),
        shown=Table("shown", _SHOWN, shown, link="to", empty="No placement showed it in the answers that were looked at."),
        popular=Table("popular", _POPULAR, lists, empty="No popular list holds it."),
        buyers=Table("buyers", _BUYERS, people, link="to", empty="Nobody bought it.") if found["buyers"] is not None else None,
    )


def row(one: dict[str, Any]) -> dict[str, Any]:
    """Return an item as a row: where it leads, a title, a picture that can be shown, its stock in words."""
    picture = one["image_link"] if one["image_link"].startswith(("https://", "http://")) else ""
    title = one["title"][:200] or "(no title)"
    stock = ("in stock", "good") if one["available"] else ("not in stock", "warn")
    return {**one, "title": title, "image": picture, "stock": stock, "to": f"/catalogue/items/{part(one['item_id'])}"}


def _table(found: dict[str, Any], asked: dict[str, str]) -> Table:
    following = query(asked, before=found["next"]) if found["next"] else ""
    return Table(
        "items",
        _COLUMNS,
        [row(one) for one in found["items"]],
        link="to",
        next=f"/catalogue{following}" if following else "",
        total=found["total"],
        empty="Nothing is called so." if any(asked.values()) else "The catalogue is empty: import a file.",
        too_much="more than 1,000: type more to find one" if found["total"] is None else "",
    )


def _chosen(words: list[dict[str, Any]], chosen: str) -> list[dict[str, Any]]:
    """Return the first words of the catalogue, and the chosen one where it is not among them."""
    shown = words[:_MOST_WORDS]
    if chosen and chosen not in {one["name"] for one in shown}:
        shown = [*shown, next((one for one in words if one["name"] == chosen), {"name": chosen, "items": 0})]
    return shown


def _list(segment: str) -> str:
    kind, _, name = segment.partition(":")
    return f"{name} ({kind})" if name else segment or _EVERYBODY
