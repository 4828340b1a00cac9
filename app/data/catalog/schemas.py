"""Wire shapes of the catalogue."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.data.catalog.service import MOST_ITEMS
from app.data.catalog.store import Stored


class ItemIn(BaseModel):
    """An item as sent: field names of the Google product feed; further fields are kept."""

    model_config = ConfigDict(extra="allow")


class ItemOut(BaseModel):
    """A stored item."""

    item_id: str
    item_group_id: str
    kind: str
    available: bool
    updated_at: datetime
    document: dict[str, Any] = Field(description="The item as it was sent.")

    @classmethod
    def of(cls, stored: Stored) -> "ItemOut":
        """Show a stored item."""
        return cls(
            item_id=stored.item_id,
            item_group_id=stored.group_id,
            kind=stored.kind,
            available=stored.available,
            updated_at=stored.updated_at,
            document=stored.document,
        )


class ItemGone(BaseModel):
    """An item that was taken out."""

    item_id: str
    deleted: bool


class ItemsIn(BaseModel):
    """Several items."""

    items: list[Any] = Field(max_length=MOST_ITEMS)


class RefusedItem(BaseModel):
    """An item that was not stored."""

    index: int = Field(description="Position in the batch, from 0.")
    reason: str


class ItemsOut(BaseModel):
    """What became of a batch of items."""

    read: int
    landed: int
    unchanged: int = Field(description="Of those landed, the ones that were stored just so before.")
    refused: list[RefusedItem]
