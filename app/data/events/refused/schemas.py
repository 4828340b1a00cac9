"""Wire shapes of refused events."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.core.texts import STORABLE, Texts
from app.data.events.refused.service import Replayed
from app.data.events.refused.store import Row


class RefusedOut(BaseModel):
    """A refused event, without what was sent."""

    refused_no: int
    received_at: datetime
    source: str = Field(description="The way in that it came by, such as `tracking`.")
    call: str = Field(description="The call it came by, such as `track` or `batch`.")
    reason: str
    whole_body: bool = Field(description="A body that could not be read, rather than one event.")
    client: str = Field(description="Name of the client that sent it.")
    known_person: bool = Field(description="Whether it is encrypted with the key of a person who is known.")
    bytes: int


class ReasonOut(BaseModel):
    """How often something was refused for one reason."""

    reason: str
    count: int
    newest: datetime


class RefusedList(BaseModel):
    """Refused events, the newest first, and all reasons there are."""

    reasons: list[ReasonOut]
    refused: list[RefusedOut]


class RefusedDetail(RefusedOut):
    """A refused event with what was sent."""

    message: Any = Field(description="The event as it was sent; the text of a body that could not be read.")


class FixIn(BaseModel):
    """How one refused event is put right; nothing replays it as it is."""

    model_config = ConfigDict(extra="forbid")

    message: Texts | None = Field(None, description="What takes its place; an object with `batch` stands for several events.")
    changes: Texts | None = Field(None, description="A JSON merge patch (RFC 7396) of the event.")


class ReplayIn(BaseModel):
    """Which refused events are replayed, and how they are put right before."""

    model_config = ConfigDict(extra="forbid")

    reason: str | None = Field(None, pattern=STORABLE, description="Only those of this reason; none replays all.")
    changes: Texts | None = Field(None, description="A JSON merge patch (RFC 7396) of each event.")
    limit: int = Field(1000, ge=1, le=10_000, description="At most so many, the oldest first.")


class StillRefused(BaseModel):
    """A refused event that is still wrong."""

    refused_no: int
    reason: str


class ReplayOut(BaseModel):
    """What became of a replay."""

    replayed: int = Field(description="Refused events that are done with.")
    stored: int = Field(description="Events stored; an order is one a product.")
    duplicates: int = Field(description="Messages that were stored before.")
    no_consent: int = Field(description="Messages of people who withdrew consent: not stored, and forgotten here.")
    refused: list[StillRefused] = Field(description="Those that are still wrong, at most 100 of them.")
    still_refused: int


class Forgotten(BaseModel):
    """How many refused events were forgotten."""

    forgotten: int


def summary(row: Row) -> RefusedOut:
    """Return a refused event without what was sent."""
    return RefusedOut(
        refused_no=row.refused_no, received_at=row.received_at, source=row.source, call=row.call, reason=row.reason,
        whole_body=row.whole_body, client=row.client, known_person=row.person_no is not None, bytes=row.size,
    )  # fmt: skip


def outcome(told: Replayed) -> ReplayOut:
    """Return what became of a replay."""
    return ReplayOut(
        replayed=told.replayed, stored=told.events, duplicates=told.duplicates, no_consent=told.no_consent,
        refused=[StillRefused(refused_no=number, reason=why) for number, why in told.refused[:100]], still_refused=len(told.refused),
    )  # fmt: skip
