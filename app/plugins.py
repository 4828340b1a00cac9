"""What can be plugged in, by dotted name, imported on use: so that serving never loads what only training needs."""

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.core.db import Database
    from app.documents.kinds import Document, Kind, Users

RECOMMENDERS: dict[str, str] = {
    "personal": "app.ml.recommenders.blend.fit:Blend",
    "popular": "app.ml.recommenders.popular.fit:Popular",
    "buy_again": "app.ml.recommenders.buy_again.fit:BuyAgain",
    "again": "app.ml.recommenders.again.fit:Again",
    "transitions": "app.ml.recommenders.transitions.fit:Transitions",
    "item_to_item": "app.ml.recommenders.item_to_item.fit:ItemToItem",
    "ease": "app.ml.recommenders.ease.fit:Ease",
    "als": "app.ml.recommenders.als.fit:Als",
}

# What people edit: each gets its routes, its commands, versions, drafts and checks from `app.documents`.
DOCUMENTS: dict[str, str] = {
    "placements": "app.decisions.placements.kind:KIND",
    "segments": "app.decisions.segments.kind:KIND",
    "clusters": "app.decisions.clusters.kind:KIND",
    "templates": "app.content.templates.kind:KIND",
    "rules": "app.decisions.rules.kind:KIND",
}

# What names documents without being one.
USERS: dict[str, str] = {"sends": "app.sends.recipients.audience:users"}


def document_kind(plural: str) -> "Kind[Any]":
    """Return a kind of document by the name of its routes and commands."""
    kind: Kind[Any] = _found(DOCUMENTS[plural])
    return kind


async def users(db: "Database", tenant: int, table: str, name: str) -> list[str]:
    """Return what names a document, each as its kind and name."""
    from app.documents import store  # for deletions alone

    found = []
    for plural in DOCUMENTS:
        kind = document_kind(plural)
        if kind.naming is not None:
            published = await store.published(db, kind.table, tenant)
            # reading a thousand conditions takes a while, and calls are answered meanwhile
            found += await asyncio.to_thread(_naming, kind, published, (table, name))
    for place in USERS.values():
        told: Users = _found(place)
        found += await told(db, tenant, table, name)
    return found


def _naming(kind: "Kind[Any]", published: "Iterable[Document]", wanted: tuple[str, str]) -> list[str]:
    assert kind.naming is not None
    own = wanted[1] if kind.table == wanted[0] else None
    return [f"the {kind.table} {one.name}" for one in published if one.name != own and wanted in kind.naming(one.body)]


def _found(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
