"""Wire shapes of reports on signals."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field


class SignalCount(BaseModel):
    """How often a signal came, without what machines did."""

    signal: str
    count: int
    unique: int = Field(
        description="Different people and campaigns together; of a serve different answers, of a conversion different orders."
    )
    answers: int = Field(description="Different answers (`recommendation_id`) that it names.")
    machine: int = Field(description="What machines did, in none of the other numbers.")


class Rates(BaseModel):
    """Unique counts over each other; null where the denominator is 0."""

    delivered_per_sent: float | None
    bounced_per_sent: float | None
    opened_per_delivered: float | None
    clicked_per_delivered: float | None
    clicked_per_opened: float | None
    unsubscribed_per_delivered: float | None
    complained_per_delivered: float | None
    clicked_per_answer: float | None = Field(description="Answers that were clicked over answers served.")
    orders_per_answer: float | None = Field(description="Attributed orders over answers served.")
    revenue_per_answer: float | None


class SignalReport(BaseModel):
    """What became of content in a stretch of time."""

    start: datetime
    end: datetime
    placement: str
    campaign: str
    signals: list[SignalCount]
    machines: dict[str, int] = Field(description="What machines did, by the reason of the mark.")
    rates: Rates
    revenue: float = Field(description="Value of the attributed orders.")


class Engagement(BaseModel):
    """Whether a person answers to letters."""

    user_id: str
    state: Literal["never_mailed", "waiting", "active", "silent"]
    mailed: int = Field(description="Letters told as delivered, or as sent where that is more.")
    first_mailed_at: datetime | None
    last_mailed_at: datetime | None
    last_response_at: datetime | None = Field(description="The last open or click that no machine did.")
    unsubscribed: bool = Field(description="Whether they ever unsubscribed or complained.")
