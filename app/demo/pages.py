"""`/demo`: an e-mail for a sample person, why each item is in it, and what happens when the cache is taken away."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, FastAPI, Request
from jinja2 import Environment, FileSystemLoader
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response

from app.content.money import formatted
from app.core.errors import BadRequest, Forbidden, NotFound, Unavailable
from app.core.settings import Settings
from app.data.catalogue.values.pricing import price_at
from app.demo import answers, cache
from app.demo import state as kept
from app.demo.answers import Answer, Caller, Did
from app.demo.shop.pictures import picture
from app.demo.state import Kept

_HERE = Path(__file__).parent
_TEMPLATES = Environment(loader=FileSystemLoader(_HERE / "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True)
_STATIC = {"demo.css": "text/css", "demo.js": "text/javascript"}
_RUNGS = (
    ("live", "Live model", "scored now"),
    ("cached", "Current list", "scored before, still true"),
    ("stale", "Last good list", "from an older history or model"),
    ("segment", "Segment", "popular in category or country"),
    ("popular", "Popular", "within the filter"),
    ("fixed", "Fixed content", "kept with the placement"),
)
_WHY_LOWER = {
    "no_user": "no person was named",
    "unknown_user": "nobody is known by this id",
    "no_consent": "no consent, or it cannot be read",
    "low_confidence": "too little is known of this person",
    "too_few_items": "the rung above had too few items left",
    "deadline": "the rung above was too slow",
    "cache_down": "the cache is out of reach",
    "database_down": "the database is out of reach",
    "database_slow": "the database was too slow",
    "model_missing": "there is no live model",
    "model_error": "the model failed",
    "rate_limited": "the caller is over its limit",
    "overload": "too many requests at once",
}

router = APIRouter(prefix="/demo", include_in_schema=False)


def _kept(request: Request) -> Kept:
    found = kept.load(request.app.state.settings)
    if found is None:
        raise Unavailable("The demo shop is not ready; start it with `make demo`.")
    return found


def _caller(request: Request, shop: Annotated[Kept, Depends(_kept)]) -> Caller:
    state = request.app.state
    if not hasattr(state, "demo_caller"):
        state.demo_caller = Caller(request.app, shop.credentials["page_key"])
    caller: Caller = state.demo_caller
    return caller


def _from_page(request: Request) -> None:
    # a header of its own cannot be sent across origins without asking, so no foreign page can press these buttons
    if request.headers.get("x-demo") != "1":
        raise Forbidden("This call belongs to the demo page.")


Shop = Annotated[Kept, Depends(_kept)]
Asker = Annotated[Caller, Depends(_caller)]


@router.get("")
async def page(request: Request, shop: Shop, caller: Asker, user: str = "") -> Response:
    """Show the whole page for a person."""
    chosen = user or shop.people[0].user_id
    screen = await _screen(request.app, shop, caller, chosen)
    return _html("page.html", people=shop.people, user=chosen, screen=screen)


@router.get("/screen")
async def screen(request: Request, shop: Shop, caller: Asker, user: str = "") -> Response:
    """Show what changes when another person is chosen or something happens."""
    return HTMLResponse(await _screen(request.app, shop, caller, user), headers={"Cache-Control": "no-store"})


@router.get("/sequence")
async def sequence(caller: Asker, user: str = "") -> Response:
    """Tell whether an event has reached the person's state."""
    return JSONResponse({"sequence": await caller.sequence(user)}, headers={"Cache-Control": "no-store"})


@router.post("/events", dependencies=[Depends(_from_page)])
async def event(
    caller: Asker, user: Annotated[str, Body()], item: Annotated[str, Body()], what: Annotated[str, Body(pattern="^(view|buy)$")]
) -> Response:
    """Let the person view or buy an item, through the public tracking API."""
    return JSONResponse({"problem": await caller.happened(user, item, what)})


@router.post("/cache", dependencies=[Depends(_from_page)])
async def switch(request: Request, away: Annotated[bool, Body(embed=True)]) -> Response:
    """Take the embedded cache away, or bring it back; it comes back by itself after some minutes."""
    settings: Settings = request.app.state.settings
    if away:
        if not cache.take_away(settings):
            raise BadRequest("Only a Valkey that the demo started itself can be taken away.")
        asyncio.get_running_loop().call_later(cache.AWAY_AT_MOST_S, cache.bring_back, settings)
    else:
        cache.bring_back(settings)
    return JSONResponse({"away": cache.away(settings)})


@router.get("/items/{item_id}")
async def item_page(request: Request, caller: Asker, item_id: str) -> Response:
    """Show an item's own page, where the links of the e-mail lead."""
    document = answers.item(request.app, item_id)
    if document is None:
        raise NotFound("There is no such item.")
    now = datetime.now(UTC)
    price, full = (formatted(*price_at(part, now), "en") for part in (document, {**document, "sale_price": ""}))
    return _html("item.html", item=document, price=price, full=full, similar=await caller.similar(item_id))


@router.get("/pictures/{item_id}.png")
async def item_picture(request: Request, item_id: str) -> Response:
    """Show an item's picture, drawn at first use and kept."""
    document = answers.item(request.app, item_id)
    if document is None:
        raise NotFound("There is no such item.")
    look = [str(document.get(name, "")) for name in ("shape", "color_hex", "style")]
    folder = kept.folder(request.app.state.settings) / "pictures"
    path = folder / f"{'-'.join(look).replace('#', '')}.png"
    if not path.exists():
        await asyncio.to_thread(_draw, path, look)
    return FileResponse(path, media_type="image/png", headers={"Cache-Control": "public, max-age=86400"})


@router.get("/static/{name}")
async def static(name: str) -> Response:
    """Serve the page's style and script."""
    if name not in _STATIC:
        raise NotFound("There is no such file.")
    return FileResponse(_HERE / "static" / name, media_type=_STATIC[name])


def _draw(path: Path, look: list[str]) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{id(look)}")
    fresh.write_bytes(picture(*look))
    fresh.replace(path)


async def _screen(app: FastAPI, shop: Kept, caller: Caller, user: str) -> str:
    settings: Settings = app.state.settings
    hero, grid = await caller.mail(user)
    did = await answers.history(app, user)
    sample = next((one for one in shop.people if one.user_id == user), None)
    blocks = [(answer, [(shown, *answers.why(shown, did or [])) for shown in answer.items]) for answer in (hero, grid)]
    context: dict[str, Any] = {
        "user": user,
        "sample": sample,
        "did": did,
        "mail": _mail(sample.name if sample else user, hero, grid),
        "blocks": blocks,
        "grid": grid,
        "problems": [f"{one.placement}: {one.problem}" for one in (hero, grid) if one.problem],
        "ladder": _ladder(grid),
        "why_lower": _WHY_LOWER.get(grid.document.get("fallback_reason", ""), grid.document.get("fallback_reason", "")),
        "offer_cache": cache.ours(settings),
        "away": cache.away(settings),
        "seen_bought": _counts(did),
    }
    return _TEMPLATES.get_template("screen.html").render(context)


def _mail(name: str, hero: Answer, grid: Answer) -> str:
    return _TEMPLATES.get_template("mail.html").render(name=name, hero=hero.html, grid=grid.html)


def _counts(did: list[Did] | None) -> tuple[int, int]:
    bought = sum(one.bought for one in did or [])
    return len(did or []) - bought, bought


def _ladder(answer: Answer) -> list[dict[str, str]]:
    """Return every rung with what came of it; rungs that were not tried say so."""
    told = {step["rung"]: step["result"] for step in answer.explain.get("rungs", [])}
    source, rows = answer.document.get("source", ""), []
    for name, title, meaning in _RUNGS:
        state = "gave" if name == source else "tried" if name in told else "idle"
        rows.append({"title": title, "meaning": meaning, "state": state, "result": told.get(name, "")})
    return rows


def _html(name: str, **context: Any) -> Response:
    return HTMLResponse(_TEMPLATES.get_template(name).render(context), headers={"Cache-Control": "no-store"})
