"""What can be plugged in, by dotted name, imported on use: so that serving never loads what only training needs."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.documents.kinds import Kind

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


def document_kind(plural: str) -> "Kind[Any]":
    """Return a kind of document by the name of its routes and commands."""
    module, _, name = DOCUMENTS[plural].partition(":")
    kind: Kind[Any] = getattr(import_module(module), name)
    return kind
