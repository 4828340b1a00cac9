"""Wire shapes of the catalogue."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.data.catalogue.service import MOST_ITEMS
from app.data.catalogue.store import Stored


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
    warnings: list[str] = Field(description="What of it cannot be shown, and why; only told when it is put.")

    @classmethod
    def of(cls, stored: Stored, warnings: Sequence[str] = ()) -> "ItemOut":
        """Show a stored item."""
        return cls(
            item_id=stored.item_id,
            item_group_id=stored.group_id,
            kind=stored.kind,
            available=stored.available,
            updated_at=stored.updated_at,
            document=stored.document,
            warnings=list(warnings),
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


class ItemWarning(BaseModel):
    """Something that was left out of an item that landed."""

    index: int = Field(description="Position in the batch, from 0.")
    reason: str


class ItemsOut(BaseModel):
    """What became of a batch of items."""

    read: int
    landed: int
    unchanged: int = Field(description="Of those landed, the ones that were stored just so before.")
    refused: list[RefusedItem]
    warnings: list[ItemWarning] = Field(description="What was left out of items that landed, up to 1,000.")
