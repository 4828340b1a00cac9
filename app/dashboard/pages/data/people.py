"""People: find by any id; what is known of one, what they got and why, what they would get now, merges, erasure."""

import asyncio
import re
from typing import Annotated, Any

from fastapi import APIRouter, Form
from starlette.responses import Response

from app.core.paths import IdRoute
from app.dashboard.api_client import ApiAway, ApiProblem, part
from app.dashboard.context import Here, Visit
from app.dashboard.render import number, query
from app.dashboard.ui.table import Column, Table
from app.data.people.facts import in_words

router = APIRouter(prefix="/people", route_class=IdRoute)
BY = {"user_id": "user id", "anonymous_id": "anonymous id", "email_sha256": "hash of an e-mail address"}
_PEOPLE = (
    Column("value", "Person", sortable=False), Column("what", "Known by", "badge", sortable=False),
    Column("ids", "Ids", "number", sortable=False, wide=True), Column("last_seen", "Last seen", "ago", sortable=False),
    Column("consent", "Personal answers", "badge", sortable=False),
)  # fmt: skip
_HISTORY = (
    Column("image", "", "picture", sortable=False), Column("title", "Item"), Column("item_id", "Id", "code", wide=True),
    Column("kind", "Strongest", "badge", wide=True), Column("times", "Times", "number", wide=True), Column("last_at", "Last", "when"),
)  # fmt: skip
_CART = (
    Column("image", "", "picture", sortable=False), Column("title", "Item"), Column("quantity", "Pieces", "number"),
    Column("added_at", "Since", "when"),
)  # fmt: skip
_VISITS = (
    Column("started_at", "Began", "when"), Column("minutes", "Minutes", "number"), Column("pages", "Pages", "number"),
    Column("items", "Items", "number"),
)  # fmt: skip
_MERGES = (
    Column("former", "Id", "code", sortable=False), Column("into", "is", "code", sortable=False), Column("evidence", "Because", wide=True),
    Column("occurred_at", "When", "when"), Column("state", "", "badge"),
)  # fmt: skip
_CONSENTS = (
    Column("words", "Purpose", sortable=False), Column("state", "Holds", "badge", sortable=False),
    Column("who", "Because", sortable=False, wide=True), Column("said_at", "Since", "when", sortable=False, wide=True),
)  # fmt: skip
_TRAITS = (
    Column("name", "Trait"), Column("shown", "Value"), Column("type", "Type", "badge", wide=True), Column("who", "Told by", wide=True),
    Column("told_at", "When", "when", wide=True),
)  # fmt: skip
PURPOSES = {
    "personalisation": "Personal answers", "analytics": "Analytics", "email": "E-mail", "tracking": "Tracked links and opens",
    "sale": "Sale of data",
}  # fmt: skip
_SAID_BY = {
    "default": "nothing was said", "gpc": "the browser signals Global Privacy Control", "api": "told by API, command or here",
    "identify": "told by an event", "": "said before this was kept",
}  # fmt: skip
_WINDOWS = ("1h", "24h", "7d", "30d", "90d", "365d", "ever")
_MOST_PLACEMENTS = 12
# what comes first in a fact's name, and what such facts are called
_GROUPS = (
    ("days_since", "How long ago"), ("affinity", "What they like"), ("rfm", "Customer"), ("lifecycle", "Customer"),
    ("engagement", "Customer"), ("loyalty", "Customer"), ("spent", "Customer"), ("average_order", "Customer"), ("country", "Customer"),
    ("cart", "Cart"), ("visit", "Visits"), ("prediction", "Predictions"), ("", "How often"),
)  # fmt: skip


def consent(said: bool | None) -> tuple[str, str]:
    """Return what somebody said about personal answers, as a badge."""
    return {True: ("wanted", "good"), False: ("refused", "bad"), None: ("not asked", "")}[said]


def address(user_id: str, by: str, **more: str) -> str:
    """Return the address of a person's page."""
    asked = query({"by": "" if by == "user_id" else by, **more})
    return f"/people/{part(user_id)}{asked if len(asked) > 1 else ''}"


def to_type(user_id: str) -> str:
    """Return what is typed before a person is erased: the id, or a word where nobody could type the id."""
    return user_id.strip() if user_id.isprintable() and len(user_id) <= 64 else "erase"


@router.get("")
async def people(visit: Here, q: str = "", before: str = "") -> Response:
    """Find people, or show those last seen."""
    found = await visit.api.get("/v1/admin/people", q=q, before=before, limit=50)
    rows = [
        {**one, "what": BY[one["kind"]], "consent": consent(one["personalisation"]), "to": address(one["value"], one["kind"])}
        for one in found["people"]
    ]
    more = f"/people{query({'q': q}, before=found['next'])}" if found["next"] else ""
    empty = "Nobody has an id that is this, or begins so." if q else "Nobody was seen yet: people come with their first event."
    table = Table("people", _PEOPLE, rows, link="to", next=more, empty=empty)
    if visit.request.headers.get("x-part"):
        return visit.piece("people/people_found.html", table=table)
    return visit.page("people/people.html", table=table, q=q)


@router.post("/{user_id:id}/consent")
async def say(
    visit: Here, user_id: str, wanted: Annotated[str, Form()] = "", tab: Annotated[str, Form()] = "",
    purpose: Annotated[str, Form()] = "personalisation", word: Annotated[str, Form()] = "",
) -> Response:  # fmt: skip
    """Store what somebody said of a purpose; a yes that somebody else tells for them must be meant, so their id is typed."""
    if wanted == "yes" and word.strip() != to_type(user_id):
        return visit.go(address(user_id, "user_id", tab=tab), "Nothing was stored: what was typed is not this id.", "bad")
    said = {purpose if purpose in PURPOSES else "personalisation": wanted == "yes"}
    done = await visit.api.send("PUT", f"/v1/admin/people/{part(user_id)}/consent", said)
    words = "Answers follow it already." if done["applied"] else "Answers follow it within moments."
    return visit.go(address(user_id, "user_id", tab=tab), f"Stored. {words}")


@router.post("/{user_id:id}/traits")
async def take_away(visit: Here, user_id: str, name: Annotated[str, Form()], by: Annotated[str, Form()] = "user_id") -> Response:
    """Take a trait away, whoever told it."""
    try:
        await visit.api.send("PATCH", f"/v1/admin/people/{part(user_id)}/traits", {name: None}, by=by)
    except ApiProblem as problem:
        return visit.go(address(user_id, by), problem.detail, "bad")
    return visit.go(address(user_id, by), f"{name} is taken away. What is told of it from now on counts again.")


@router.post("/{user_id:id}/merges/{merge_no}/undo")
async def undo(visit: Here, user_id: str, merge_no: int, by: Annotated[str, Form()] = "user_id") -> Response:
    """Take a merge back."""
    try:
        await visit.api.send("POST", f"/v1/admin/people/{part(user_id)}/merges/{merge_no}/undo", by=by)
    except ApiProblem as problem:
        return visit.go(address(user_id, by, tab="merges"), problem.detail, "bad")
    return visit.go(address(user_id, by, tab="merges"), "The merge is undone: each side has its own events again.")


@router.post("/{user_id:id}/erase")
async def erase(
    visit: Here, user_id: str, by: Annotated[str, Form()] = "user_id", word: Annotated[str, Form()] = ""
) -> Response:  # fmt: skip
    """Erase a person, once their id was typed."""
    if word.strip() != to_type(user_id):
        return visit.go(address(user_id, by), "Nothing was erased: what was typed is not this id.", "bad")
    receipt = await visit.api.send("DELETE", f"/v1/admin/people/{part(user_id)}", by=by)
    return visit.page("people/erased.html", receipt=receipt)


# last: an id may hold slashes, and the routes above end in a word of their own
@router.get("/{user_id:id}")
async def person(visit: Here, user_id: str, by: str = "user_id", tab: str = "profile", before: str = "") -> Response:
    """Show a person."""
    by = by if by in BY else "user_id"
    show = {"answers": _answers, "now": _now, "merges": _merges}.get(tab)
    # one after the other: of both only the first leaves a line in the audit log
    known = await visit.api.get(f"/v1/admin/people/{part(user_id)}", by=by)
    values = await show(visit, user_id, by, before) if show else _profile(known)
    tabs = [("profile", "Profile", address(user_id, by)), ("answers", "Answers", address(user_id, by, tab="answers"))]
    if visit.may("content"):
        tabs.append(("now", "Now", address(user_id, by, tab="now")))
    tabs.append(("merges", "Merges", address(user_id, by, tab="merges")))
    tabs.append(("audit", "Audit", f"/audit{query({'kind': 'person', 'q': known['audit_name']})}"))
    users = [one["value"] for one in known["identities"] if one["kind"] == "user_id"]
    user = user_id if by == "user_id" else users[0] if users else ""
    return visit.page(
        "people/person.html", user_id=user_id, by=by, known=known, tab=tab if show else "profile", tabs=tabs, word=to_type(user_id),
        user=user, user_word=to_type(user), consent=consent(known["personalisation"]), names=BY, **values,
    )  # fmt: skip


def _profile(known: dict[str, Any]) -> dict[str, Any]:
    visits = [{**one, "minutes": round(one["seconds"] / 60)} for one in known["visits"]]
    for one in known["history"]:
        one["title"] = one["title"] or one["item_id"]
    consents = [
        {**one, "purpose": name, "words": PURPOSES[name], "who": _SAID_BY.get(one["source"], one["source"]),
         "state": ("yes", "good") if one["granted"] else ("no", "bad")}
        for name, one in known["purposes"].items()
    ]  # fmt: skip
    sources = known["trait_sources"]
    traits = [
        {**sources[name], "name": name, "shown": _shown(value), "who": sources[name]["source"], "number": place}
        for place, (name, value) in enumerate(known["traits"].items())
    ]  # fmt: skip
    return {
        "windows": _WINDOWS,
        "told": grouped(known["facts"]),
        "consents": Table("consents", _CONSENTS, consents),
        "traits": Table("traits", _TRAITS, traits, empty="Nobody told any."),
        "history": Table("history", _HISTORY, known["history"], empty="Nothing that counts is known of this person yet."),
        "cart": Table("cart", _CART, [{**one, "title": one["title"] or one["item_id"]} for one in known["cart"]], empty="It is empty."),
        "visits": Table("visits", _VISITS, visits, empty="No visit yet."),
    }


def grouped(facts: dict[str, Any]) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """Return facts of a person as (heading, of each: words, spelling, value), those that mean the most first."""
    found: dict[str, list[tuple[str, str, str]]] = {title: [] for _, title in _GROUPS}
    for name, value in facts.items():
        head = re.split(r"[.\[]", name, maxsplit=1)[0]
        title = next(title for begin, title in _GROUPS if begin in (head, ""))
        shown = (
            number(value, 0 if value == round(value) else 2)
            if isinstance(value, int | float) and not isinstance(value, bool)
            else _shown(value)
        )
        found[title].append((in_words(name), name, shown))
    order = ("Customer", "What they like", "How long ago", "Cart", "Visits", "Predictions", "How often")
    return [(title, found[title]) for title in order if found[title]]


def _shown(value: Any) -> str:
    """Write a trait's value as a text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list) else str(value)


async def _answers(visit: Visit, user_id: str, by: str, before: str) -> dict[str, Any]:
    found = await visit.api.get(f"/v1/admin/people/{part(user_id)}/answers", by=by, before=before, limit=10)
    more = address(user_id, by, tab="answers", before=found["next"]) if found["next"] else ""
    return {"answers": found["answers"], "more": more, "first": not before}


async def _now(visit: Visit, user_id: str, by: str, before: str) -> dict[str, Any]:
    found = (await visit.api.get("/v1/admin/placements"))["placements"]
    shots = (_shot(visit, one["name"], one["version"], user_id, by) for one in found[:_MOST_PLACEMENTS])
    return {"now": await asyncio.gather(*shots), "left": max(0, len(found) - _MOST_PLACEMENTS)}


async def _shot(visit: Visit, placement: str, version: int, user_id: str, by: str) -> dict[str, Any]:
    """Return what somebody would get in a placement as it is published, with what is wrong where it cannot be shown."""
    try:
        path = f"/v1/admin/placements/{part(placement)}/preview"
        made = await visit.api.send("POST", path, {by: user_id, "format": "json", "version": version})
    except (ApiProblem, ApiAway) as problem:
        return {"placement": placement, "problem": str(problem), "answer": None}
    return {"placement": placement, "problem": "", "answer": made}


async def _merges(visit: Visit, user_id: str, by: str, before: str) -> dict[str, Any]:
    found = (await visit.api.get(f"/v1/admin/people/{part(user_id)}/merges", by=by))["merges"]
    for one in found:
        one["former"], one["into"] = one["former"]["value"], one["into"]["value"]
        one["evidence"] = {"together": "one message bore both", "alias": "an alias said so"}.get(one["evidence"], one["evidence"])
        undone = ("undone", "") if one["undone_at"] else ("one person", "good")
        one["state"] = undone if one["together"] or one["undone_at"] else ("apart", "")
    return {"merges": Table("merges", _MERGES, found, empty="No id of this person was ever merged with another.")}
