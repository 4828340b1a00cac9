"""Wire shapes of what is known of an item."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from app.data.catalogue.search import Found


class Sale(BaseModel):
    """A sale price with its bounds, none where it has none; `holds` says whether it counts now."""

    price: float
    begins: datetime | None
    ends: datetime | None
    holds: bool


class Popular(BaseModel):
    """Where a popular list holds the item's group: `rank` counts from 1 of `of`; an empty `list` is that of everybody."""

    list: str
    rank: int
    of: int


class Shown(BaseModel):
    """How often a placement showed the item."""

    placement: str
    answers: int
    last_at: datetime


class ShownLately(BaseModel):
    """Answers that showed the item, of the newest 20,000 of the last seven days."""

    answers: int = Field(description="How many answers were looked at.")
    since: datetime | None = Field(description="The oldest of them.")
    placements: list[Shown]


class Rule(BaseModel):
    """A placement that never shows the item, or shows it where nothing else fits."""

    placement: str
    rule: Literal["blocked", "fixed"]


class Buyer(BaseModel):
    """Somebody who bought the item: an id of theirs, and when last."""

    kind: str
    value: str
    bought_at: datetime


class ItemView(BaseModel):
    """An item as it is stored, and what is known of it."""

    item: Found
    item_group_id: str
    document: dict[str, Any] = Field(description="The item as it was sent.")
    availability: Any = Field(description="Stock as it was sent: a word, or a number of pieces.")
    expires_at: datetime | None
    sale: Sale | None
    variants: list[Found] = Field(description="Items of the group, this one among them; up to 100.")
    popular: list[Popular] = Field(description="Popular lists that hold the group, best rank first; up to 20.")
    shown: ShownLately
    rules: list[Rule]
    buyers: list[Buyer] | None = Field(description="The last 50 who bought it; none unless asked for by somebody with `profiles`.")
