"""What is said of segments over HTTP."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.data.segments.domain import Segment


class VersionOut(BaseModel):
    """A version of a segment."""

    name: str
    version: int
    published: bool
    draft: bool
    segment: Segment


class ListOut(VersionOut):
    """A published segment in the list of all: what it says, how many are in it (above 10,000 counted within the hour) and were, by day."""

    sentence: str
    size: int
    trend: list[int] = Field(description="Sizes of the last 14 days as far as they were kept, oldest first.")
    ready: bool
    broken: str | None
    warning: str | None


class SegmentsOut(BaseModel):
    """The published segments by name, and how many people the shop knows."""

    segments: list[ListOut]
    people: int


class SizeOut(BaseModel):
    """How large a segment was at a moment."""

    at: datetime
    size: int


class OverlapOut(BaseModel):
    """How many people of a segment are in another one too."""

    segment: str
    people: int


class SegmentOut(BaseModel):
    """A segment: what it says in words, who is in it, and all versions, newest first.

    `ready` is false while people are still judged by the published version, `broken` says why it cannot be judged.
    """

    name: str
    version: int | None = Field(description="The published version; null where none is.")
    when: str | None = Field(description="The condition in its spelling for people; null for a list.")
    document: Any = Field(description="The same in its spelling for programs.")
    sentence: str
    size: int
    people: int = Field(description="How many people the shop knows.")
    ready: bool
    broken: str | None
    warning: str | None = Field(description="Why the segment is of little use: empty, too narrow, or nearly everybody.")
    trend: list[SizeOut]
    overlap: list[OverlapOut]
    segments: list[VersionOut]


class MemberOut(BaseModel):
    """Somebody in a segment: `user_id` where they have one, else the kind and value of their strongest id; since when."""

    user_id: str | None
    kind: str
    value: str
    since: datetime


class MembersOut(BaseModel):
    """People of a segment; `next` is `after` of the next page."""

    members: list[MemberOut]
    next: int | None


class MoveOut(BaseModel):
    """Somebody entered a segment or left it; `kind` and `value` of their strongest id for callers with `profiles`, null once erased."""

    person_no: int
    entered: bool
    at: datetime
    kind: str | None = None
    value: str | None = None


class MovesOut(BaseModel):
    """Who entered and left, newest first; `next` is `before` of the next page."""

    moves: list[MoveOut]
    next: int | None


class EstimateIn(BaseModel):
    """A condition of which the size is asked."""

    model_config = ConfigDict(extra="forbid")

    when: str | dict[str, Any]


class EstimateOut(BaseModel):
    """How many people meet a condition now: exactly where all were looked at, else between `low` and `high` in 95 of 100 cases."""

    size: int
    low: int
    high: int
    people: int
    sampled: int
    sentence: str
    when: str
    document: Any


class ExampleOut(BaseModel):
    """Somebody by their strongest id."""

    kind: str
    value: str


class DryRunOut(BaseModel):
    """What a draft would do to `people` who had events since a moment: how many are in the segment now, how many by the draft, who would
    enter and leave. `cut` tells that only the newest events were looked at. Examples are for callers with `profiles`, else there are none.
    """

    name: str
    sentence: str
    when: str
    since: datetime
    people: int
    published: int
    draft: int
    entering: int
    leaving: int
    cut: bool
    entering_examples: list[ExampleOut]
    leaving_examples: list[ExampleOut]


class ListedOut(BaseModel):
    """What came of a list: people in it, ids that nobody has, and some of these."""

    people: int
    unknown: int
    examples: list[str]


class FactOut(BaseModel):
    """A fact that conditions, formulas and templates can name."""

    name: str
    type: str
    subject: str
    unit: str
    sentence: str
    source: str
    keys: str = Field(description="What stands in brackets; empty for nothing.")
    windows: list[str]
    values: list[str]
    motion: str
    purpose: str


class FactsOut(BaseModel):
    """The list of facts."""

    facts: list[FactOut]


class BinOut(BaseModel):
    """How many people have a value from `low` to below `high`; in the last one also `high` itself."""

    low: float
    high: float
    people: int


class ValueOut(BaseModel):
    """How many people have a value, or a key."""

    value: str
    people: int


class SpreadOut(BaseModel):
    """A fact over people: `known` of `sampled` of `people` have a value.

    Numbers have quantiles (`p0` to `p100`) and bins, whose last one holds the hundredth of the largest values. All else has its commonest
    values, and `others` whose value is not listed: less than five people share it, so that it could name somebody. Of a fact that needs a
    key and got none, only `keys` are told; facts of items, moments and requests have no people.
    """

    fact: FactOut
    key: str
    window: str
    people: int
    sampled: int
    known: int
    quantiles: dict[str, float]
    bins: list[BinOut]
    values: list[ValueOut]
    others: int
    keys: list[ValueOut]
