"""Wire shapes of events."""

from pydantic import BaseModel, Field


class RefusedEvent(BaseModel):
    """An event that was not stored."""

    index: int = Field(description="Position in the batch, from 0.")
    reason: str


class EventWarning(BaseModel):
    """Something of a stored event that could not be used: an item, an amount, an id, a time or a name."""

    index: int = Field(description="Position in the batch, from 0.")
    warning: str


class BatchOut(BaseModel):
    """What became of a call."""

    success: bool = Field(True, description="As Segment answers it; what was stored stands in the other fields.")
    accepted: int
    duplicates: int
    refused: list[RefusedEvent]
    unknown_items: list[str] = Field(description="Item ids that the catalogue does not know; their events count for no item.")
    warnings: list[EventWarning] = Field([], description="What of stored events was left out, and why; the first 100.")
