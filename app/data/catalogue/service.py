"""The public door of the catalogue for single items and batches."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from app.core import changes
from app.core.db import Database
from app.core.settings import Settings
from app.data.catalogue import store
from app.data.catalogue.domain import Item, ItemRefused, read_item
from app.data.catalogue.store import Stored

MOST_ITEMS = 1_000


@dataclass
class BatchOutcome:
    """What became of a batch of items: counts, (position, reason) of each refused one, and what was left out of those that landed."""

    landed: int = 0
    unchanged: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)
    warnings: list[tuple[int, str]] = field(default_factory=list)


async def put_items(db: Database, settings: Settings, tenant: int, documents: Sequence[Any]) -> BatchOutcome:
    """Add or change items in one transaction; a document that is no item is refused, the others land.

    Of two documents with one id the later lands.
    """
    outcome = BatchOutcome()
    items: dict[str, Item] = {}
    places: dict[str, int] = {}
    for position, document in enumerate(documents):
        try:
            if not isinstance(document, dict):
                raise ItemRefused("not a JSON object")
            item = read_item(document, max_bytes=settings.max_item_bytes)
        except ItemRefused as reason:
            outcome.refused.append((position, str(reason)))
            continue
        if item.item_id in items:
            outcome.refused.append((places[item.item_id], "sent again later in this batch"))
        items[item.item_id], places[item.item_id] = item, position
    async with db.begin() as connection:
        written = await store.write(connection, tenant, list(items.values()))
        if written.new or written.changed:
            await changes.bump(connection, tenant, "catalogue")
    outcome.landed, outcome.unchanged = len(items), written.same
    outcome.refused.sort()
    outcome.warnings = sorted((places[item_id], note) for item_id, item in items.items() for note in item.notes)
    return outcome


async def put_item(db: Database, settings: Settings, tenant: int, item_id: str, document: dict[str, Any]) -> tuple[Stored, tuple[str, ...]]:
    """Add or change one item under the id given; also tell what was left out of it. Raises ItemRefused."""
    if document.get("id") not in (None, item_id):
        raise ItemRefused("id differs from the one in the address")
    item = read_item({**document, "id": item_id}, max_bytes=settings.max_item_bytes)
    async with db.begin() as connection:
        written = await store.write(connection, tenant, [item])
        if not written.same:
            await changes.bump(connection, tenant, "catalogue")
    found = await store.get(db, tenant, item.item_id)
    if found is None:
        raise ItemRefused("taken out at the same moment")
    return found, item.notes


async def get_item(db: Database, tenant: int, item_id: str) -> Stored | None:
    """Return an item, or None."""
    return await store.get(db, tenant, item_id)


async def take_out_item(db: Database, tenant: int, item_id: str) -> bool:
    """Take an item out of the catalogue; False when it is not there."""
    async with db.begin() as connection:
        found = await store.take_out(connection, tenant, item_id)
        if found:
            await changes.bump(connection, tenant, "catalogue")
    return found
