"""Wire shapes of events as they are looked at."""

from datetime import datetime

from pydantic import BaseModel, Field


class Whose(BaseModel):
    """An id of the person of an event: `kind` is user_id, anonymous_id or email_sha256."""

    kind: str
    value: str


class EventLine(BaseModel):
    """A stored event, without what it says in its own words."""

    event_no: int
    received_at: datetime
    occurred_at: datetime
    kind: str
    name: str = Field(description="What the sender called it; empty where the kind is all that was told.")
    signal: str = Field(description="Which signal it is, empty for all others.")
    machine: bool = Field(description="Whether a machine did it.")
    source: str = Field(description="The source of files, `live` for what came by HTTP.")
    item_id: str | None
    title: str
    unknown_item: bool = Field(description="Whether its kind needs an item, and the catalogue knew none of what it named.")
    quantity: float | None
    value: float | None
    placement: str
    campaign: str
    person: Whose | None = Field(description="Whose it is; null for nobody's, and without the scope `profiles`.")


class EventPage(BaseModel):
    """Events, newest first; `next` is `before` of the page behind, `newest` is `after` of what comes later.

    A page looks through a bounded piece of the log: it may hold fewer than asked for, none even, and still have a `next`.
    """

    events: list[EventLine]
    looked_at: int = Field(description="Events that were looked through.")
    next: str | None
    newest: str | None


class UnknownName(BaseModel):
    """A name of events that stands for no kind: they are stored, and count for nothing."""

    name: str
    count: int
    last_at: datetime


class UnknownItem(BaseModel):
    """An id that events named and the catalogue did not know, among those of the newest such events."""

    item_id: str
    count: int
    last_at: datetime


class WithoutItem(BaseModel):
    """Events of a kind that needs an item, and how many of them had none that the catalogue knew."""

    kind: str
    source: str
    count: int
    without: int


class Unknown(BaseModel):
    """What was stored though part of it was not understood, among the newest events of some days."""

    looked_at: int = Field(description="Events that were looked through, the newest.")
    since: datetime | None = Field(description="When the oldest of them came.")
    names: list[UnknownName]
    items: list[UnknownItem]
    without_item: list[WithoutItem]
