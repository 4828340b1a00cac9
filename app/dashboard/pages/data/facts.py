"""Facts: the data dictionary, and of how many people each is known and how it is spread over them."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from app.dashboard.api_client import ApiProblem, part
from app.dashboard.charts import svg
from app.dashboard.context import Here
from app.dashboard.render import number
from app.dashboard.ui.table import Column, Table

router = APIRouter(prefix="/facts")
_COLUMNS = (
    Column("name", "Fact"), Column("about", "Of", "badge"), Column("type", "Type", wide=True), Column("sentence", "What it says"),
    Column("windows", "Windows", wide=True), Column("source", "From", wide=True), Column("motion", "Changes by time alone", wide=True),
)  # fmt: skip
_KEYS = (Column("value", "Key"), Column("people", "People", "number"))
_VALUES = (Column("value", "Value"), Column("people", "People", "number"), Column("share", "Of those known", "share"))
ABOUT = {"person": "people", "item": "items", "moment": "the moment", "request": "the request"}
MOTIONS = {"still": "no", "steps": "at known moments", "steady": "always"}
_QUANTILES = {
    "p0": "smallest", "p5": "5 % are at most", "p25": "a quarter at most", "p50": "half at most", "p75": "three quarters at most",
    "p95": "95 % at most", "p100": "largest",
}  # fmt: skip


@router.get("")
async def facts(visit: Here, q: str = "") -> Response:
    """Show the list of facts, or those that hold a word."""
    found = (await visit.api.get("/v1/admin/facts"))["facts"]
    word = q.strip().casefold()
    rows = [_row(one) for one in found]
    rows = [one for one in rows if word in f"{one['name']} {one['sentence']} {one['about']} {one['source']}".casefold()]
    table = Table("facts", _COLUMNS, rows, link="to", total=len(rows), empty="No fact has this in its name, or says it.")
    if visit.request.headers.get("x-part"):
        return visit.piece("segments/segments_found.html", table=table)
    return visit.page("facts/facts.html", table=table, q=q)


def plain(sentence: str) -> str:
    """Return a sentence without the marks that documents spell code with."""
    return sentence.replace("`", "")


def _row(one: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": one["name"] + (f"[{one['keys']}]" if one["keys"] else ""), "about": ABOUT[one["subject"]],
        "type": one["type"] + (f", {one['unit']}" if one["unit"] else ""), "sentence": plain(one["sentence"]),
        "windows": ", ".join(one["windows"]), "source": one["source"], "motion": MOTIONS[one["motion"]],
        "to": f"/facts/{part(one['name'])}",
    }  # fmt: skip


@router.get("/{name}")
async def fact(visit: Here, name: str, key: str = "", window: str = "") -> Response:
    """Show what a fact says, of how many people it is known, and which values they have."""
    problem, status = "", 200
    try:
        one = await visit.api.get(f"/v1/admin/facts/{part(name)}", key=key.strip(), window=window)
    except ApiProblem as wrong:
        if wrong.status != 422:
            raise
        # the fact without what was asked wrong
        problem, status = wrong.detail, 422
        one = await visit.api.get(f"/v1/admin/facts/{part(name)}")
    entry, known = one["fact"], one["known"]
    words = await _words(visit, one)
    values = [{**value, "share": value["people"] / known} for value in one["values"]]
    chart: Any = ""
    if one["bins"]:
        chart = svg.binned("How many people have which value", [(each["low"], each["high"], each["people"]) for each in one["bins"]])
    elif values:
        chart = svg.bars("Commonest values", [(each["value"], float(each["people"])) for each in values], write=number, unit="People")
    return visit.page(
        "facts/fact.html", status, one=one, fact={**entry, "sentence": plain(entry["sentence"])}, about=ABOUT[entry["subject"]],
        motion=MOTIONS[entry["motion"]], key=key, window=window, problem=problem,
        words=words, chart=chart, asks=bool(entry["keys"]) and not one["key"],
        quantiles=[(title, one["quantiles"][part_]) for part_, title in _QUANTILES.items() if part_ in one["quantiles"]],
        values=Table("values", _VALUES, values, empty="No value is shared by five people or more."),
        keys=Table("keys", _KEYS, [{**each, "people": each["people"] or None, "to": f"?key={part(each['value'])}"} for each in one["keys"]],
                   link="to", empty="Nobody has one yet."),
    )  # fmt: skip


async def _words(visit: Here, one: dict[str, Any]) -> list[str]:
    """Return what may stand in brackets, for the field that asks for it."""
    keys = one["fact"]["keys"]
    if keys in ("category", "brand"):
        facets = await visit.api.get("/v1/admin/catalogue/facets")
        return [each["name"] for each in facets["categories" if keys == "category" else "brands"][:500]]
    return [each["value"] for each in one["keys"]] or list(one["fact"]["values"])
