"""Asks the public API as any caller would, inside this process, and gathers what the page shows."""

import asyncio
import secrets
from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi import FastAPI

from app.core.ids import DEFAULT_TENANT
from app.core.logging import log
from app.core.outage import is_database
from app.data.kinds import Kind
from app.demo import store

_DEEDS = {Kind.IMPRESSION: "saw", Kind.CLICK: "clicked", Kind.VIEW: "viewed", Kind.WISHLIST: "wished for", Kind.CART: "put in the cart",
          Kind.RATING: "rated", Kind.PURCHASE: "bought"}  # fmt: skip
_REASONS = {
    "for_you": "for you",
    "bought_before": "bought before, due again",
    "goes_with": "goes with the page's item",
    "popular_in_category": "popular in their category",
    "popular_in_country": "popular in their country",
    "popular_in_segment": "popular in a segment they are in",
    "new": "came into the shop lately",
    "popular": "popular with everybody",
    "fixed": "the placement's own",
}
_PERSONAL = ("for_you", "bought_before", "popular_in_category", "popular_in_segment")


@dataclass
class Answer:
    """One answer of the API: its document, the HTML of the same serve, the milliseconds of each stage, or what went wrong."""

    placement: str
    document: dict[str, Any] = field(default_factory=dict)
    html: str = ""
    timing: dict[str, float] = field(default_factory=dict)
    problem: str = ""

    @property
    def items(self) -> list[dict[str, Any]]:
        """The items shown."""
        return list(self.document.get("items", []))

    @property
    def explain(self) -> dict[str, Any]:
        """What `explain=1` added."""
        return dict(self.document.get("explain") or {})


@dataclass(frozen=True)
class Did:
    """Something that a person did, as the page tells it."""

    item: dict[str, Any]
    deed: str
    bought: bool
    times: int


class Caller:
    """Calls this very application with the page's key, which never leaves the server."""

    def __init__(self, app: FastAPI, key: str) -> None:
        self._app = app
        transport = httpx.ASGITransport(app)
        self._http = httpx.AsyncClient(transport=transport, base_url="http://demo", headers={"X-Api-Key": key}, timeout=10)

    async def mail(self, user: str) -> tuple[Answer, Answer]:
        """Ask for the two blocks of an e-mail; the grid leaves out what the block above it shows."""
        send = f"demo-{secrets.token_hex(8)}"
        hero = await self.ask("email-hero", send, user_id=user)
        shown = ",".join(item["item_id"] for item in hero.items)
        return hero, await self.ask("email-grid", send, user_id=user, exclude=shown)

    async def ask(self, placement: str, send: str, **params: str) -> Answer:
        """Ask for an answer with its explanation, and for the HTML of the same send."""
        wanted = {**params, "send_id": send}
        answer = Answer(placement)
        reply = await self._http.get("/v1/recommendations", params={**wanted, "placement": placement, "explain": "1"})
        if reply.status_code != 200:
            answer.problem = _problem(reply)
            return answer
        answer.document, answer.timing = reply.json(), _timing(reply.headers.get("server-timing", ""))
        page = await self._http.get(f"/v1/snippets/{placement}", params=wanted)
        answer.html = page.text if page.status_code == 200 else ""
        answer.problem = "" if page.status_code == 200 else _problem(page)
        return answer

    async def similar(self, item_id: str) -> list[dict[str, Any]]:
        """Return what goes with an item."""
        reply = await self._http.get("/v1/recommendations", params={"placement": "pdp-similar", "item_id": item_id, "limit": "4"})
        return list(reply.json()["items"]) if reply.status_code == 200 else []

    async def sequence(self, user: str) -> int:
        """Return the sequence number of the person's state as serving sees it now; 0 when it sees none."""
        asked = {"placement": "email-hero", "user_id": user, "explain": "1"}
        reply = await self._http.get("/v1/recommendations", params=asked)
        return int(reply.json()["explain"]["state_seq"]) if reply.status_code == 200 else 0

    async def happened(self, user: str, item_id: str, what: str) -> str:
        """Send an event through the tracking API; return '' or what was wrong with it."""
        document = item(self._app, item_id) or {}
        product = {"product_id": item_id, "price": float(str(document.get("price", "0")).split()[0]), "quantity": 1}
        track: dict[str, Any] = {"type": "track", "userId": user, "messageId": f"demo-{secrets.token_hex(12)}"}
        if what == "buy":
            track |= {"event": "Order Completed", "properties": {"order_id": f"demo-{secrets.token_hex(6)}", "products": [product]}}
        else:
            track |= {"event": "Product Viewed", "properties": product}
        reply = await self._http.post("/v1/batch", json={"batch": [track]})
        if reply.status_code != 200:
            return _problem(reply)
        refused = reply.json()["refused"]
        return f"not stored: {refused[0]['reason']}" if refused else ""


def item(app: FastAPI, item_id: str) -> dict[str, Any] | None:
    """Return the document of an item as the server holds it in memory."""
    snapshot = app.state.server.holder.current.get(DEFAULT_TENANT)
    index = snapshot.catalogue.index_of.get(item_id) if snapshot is not None else None
    return None if index is None else snapshot.catalogue.document(index)


async def history(app: FastAPI, user: str) -> list[Did] | None:
    """Return what a person did lately; None when PostgreSQL cannot say now."""
    try:
        async with asyncio.timeout(3):
            deeds = await store.deeds(app.state.db, DEFAULT_TENANT, user) if user else []
    except Exception as error:
        if not is_database(error):
            raise
        log.warning("demo.no_history", error=type(error).__name__)
        return None
    found = [(item(app, deed.item_id), deed) for deed in deeds]
    return [
        Did(document, _DEEDS.get(Kind(deed.kind), "touched"), deed.kind == Kind.PURCHASE, deed.times)
        for document, deed in found
        if document is not None
    ]


def why(shown: dict[str, Any], did: list[Did]) -> tuple[str, list[str]]:
    """Return the reason that the API gave, and what the item has in common with the history."""
    reason = _REASONS.get(shown["reason"], shown["reason"])
    if shown["reason"] not in _PERSONAL:
        return reason, []
    alike = {
        shown["category"].rpartition(" > ")[2]: sum(1 for one in did if one.item.get("product_type") == shown["category"]),
        shown["brand"]: sum(1 for one in did if one.item.get("brand") == shown["brand"]),
    }
    return reason, [f"{name} {count}×" for name, count in alike.items() if count]


def _timing(header: str) -> dict[str, float]:
    parts = (part.strip().partition(";dur=") for part in header.split(",") if ";dur=" in part)
    return {name: float(value) for name, _, value in parts}


def _problem(reply: httpx.Response) -> str:
    try:
        document = reply.json()
        return f"{reply.status_code} {document['code']}: {document['detail']}"
    except (ValueError, KeyError, TypeError):
        return f"HTTP {reply.status_code}"
