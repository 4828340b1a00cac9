"""What a rule says: for which placements, people and moments it acts, on which items, and what it does."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.decisions.placements.domain import Condition, Name, Text

_STORABLE = r"^[^\x00]*$"
MOST_ITEMS = 1_000
Words = Literal[
    "include", "exclude", "boost", "bury", "pin", "share", "cap", "diversity", "minimum_score", "freshness", "no_repeat", "bought",
    "recommender", "formula",
]  # fmt: skip
By = Literal["", "brand", "category", "kind"]


class Rule(BaseModel):
    """The document of a rule, as marketing edits it: the first fields say when it acts, `action` what it does, the last ones its values."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: Words = Field(description="What it does; each action takes values of its own, see below.")
    placements: tuple[Name, ...] = Field((), max_length=200, description="Where it acts; empty: in all placements.")
    when: Condition = Field("", description="A condition on person, moment and request; empty: always.")
    where: Condition = Field("", description="A condition on items, which may be compared with the person; empty: all items.")
    priority: int = Field(0, ge=-1_000_000, le=1_000_000, description="Higher ones come first.")
    group: Annotated[str, Field(pattern=r"^([a-z0-9][a-z0-9_-]{0,63})?$")] = Field(
        "", description="Of the rules of one group that apply, only the first by priority acts."
    )
    starts_at: AwareDatetime | None = Field(None, description="It acts from this moment on.")
    ends_at: AwareDatetime | None = Field(None, description="It acts until this moment.")
    enabled: bool = Field(True, description="Whether it acts at all.")
    description: Text = Field("", description="For the people who edit it.")

    items: tuple[Text, ...] = Field((), max_length=MOST_ITEMS, description="Ids of items, or of item groups.")
    add: bool = Field(False, description="include: these items as well, whatever the filter says, instead of only these.")
    factor: float | None = Field(None, gt=0, le=1_000, allow_inf_nan=False, description="What a score is multiplied with.")
    place: int | None = Field(None, ge=1, le=50, description="pin: the place of the first of the items.")
    at_least: float | None = Field(None, ge=0, le=1, description="share: of the places, at least this part.")
    at_most: float | None = Field(None, ge=0, le=1, description="share: of the places, at most this part.")
    most: int | None = Field(None, ge=1, le=50, description="cap: how many items.")
    by: By = Field("", description="cap, diversity: of the same brand, category or kind; cap: empty counts all items together.")
    relevance: float | None = Field(None, ge=0, le=1, description="diversity: 1 is the order of scores alone, 0 variety alone.")
    score: float | None = Field(None, allow_inf_nan=False, description="minimum_score: the least score of a model.")
    days: int | None = Field(None, ge=1, le=3_650, description="freshness, no_repeat, bought: so many days.")
    impressions: int | None = Field(None, ge=1, le=100, description="no_repeat: only what was shown so often without a click.")
    recommender: Annotated[str, Field(pattern=r"^[a-z0-9_]{0,40}$")] = Field("", description="recommender: whose scores choose.")
    fallback: bool = Field(False, description="recommender: only where the placement's own one knows too little.")
    formula: Annotated[str, Field(max_length=2_000, pattern=_STORABLE)] = Field("", description="formula: the score.")


# the values that each action needs, and those that it may have, beside `where`
NEEDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "include": ((), ("items", "add", "where")),
    "exclude": ((), ("items", "where")),
    "boost": (("factor",), ("items", "where")),
    "bury": ((), ("factor", "items", "where")),
    "pin": (("items",), ("place",)),
    "share": ((), ("at_least", "at_most", "items", "where")),
    "cap": (("most",), ("by", "items", "where")),
    "diversity": (("by", "relevance"), ()),
    "minimum_score": (("score",), ("items", "where")),
    "freshness": (("days",), ("factor", "items", "where")),
    "no_repeat": (("days",), ("impressions", "items", "where")),
    "bought": ((), ("days", "items", "where")),
    "recommender": (("recommender",), ("fallback",)),
    "formula": (("formula",), ()),
}
VALUES = (
    "where", "items", "add", "factor", "place", "at_least", "at_most", "most", "by", "relevance", "score", "days", "impressions",
    "recommender", "fallback", "formula",
)  # fmt: skip


@dataclass(frozen=True)
class Named:
    """The published version of a rule."""

    name: str
    number: int
    version: int
    rule: Rule


def given(rule: Rule) -> set[str]:
    """Return the values of an action that a rule says something of."""
    return {name for name in VALUES if getattr(rule, name) not in (None, "", (), False, {})}


def seconds(moment: datetime | None, otherwise: float) -> float:
    """Return a moment in unix seconds."""
    return otherwise if moment is None else moment.timestamp()
