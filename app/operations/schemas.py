"""Wire shapes of what those who run it ask."""

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, Field

from app.data.engagement.schemas import Rates


class Step(BaseModel):
    """One step of time: answers by rung, latency, events that came in, and how late the oldest unapplied event was."""

    at: datetime
    rungs: dict[str, int]
    p50_ms: float | None
    p99_ms: float | None
    events: int
    event_kinds: dict[str, int] = Field(description="Those events by kind.")
    event_sources: dict[str, int] = Field(description="Those events by source; `live` came by HTTP.")
    apply_lag_s: float | None


class Answers(BaseModel):
    """Answers summed up; `fallback` is the share that came from below a current list, `reasons` says why."""

    count: int
    empty: int
    fallback: float | None
    p50_ms: float | None
    p99_ms: float | None
    reasons: dict[str, int]


class PlacementUse(BaseModel):
    """Answers of a placement."""

    placement: str
    answers: Answers


class ClientUse(BaseModel):
    """Answers that a client got."""

    client_id: str
    name: str
    answers: Answers


class EventCount(BaseModel):
    """Events of a kind that came from a source."""

    source: str
    kind: str
    count: int


class Overview(BaseModel):
    """What happened from `start` up to, not including, `end`; the newest minute or two are not summed up yet."""

    start: datetime
    end: datetime
    step_s: int
    steps: list[Step]
    answers: Answers
    placements: list[PlacementUse]
    clients: list[ClientUse]
    events: list[EventCount]


class Finding(BaseModel):
    """Something that needs a human: what, how grave, where to mend it."""

    code: str
    level: Literal["bad", "warn", "info"]
    title: str
    detail: str
    fix: str = Field(description="What to do about it.")
    page: str = Field(description="The page of the dashboard where that is done.")


class Findings(BaseModel):
    """What needs a human, gravest first."""

    findings: list[Finding]


class Part(BaseModel):
    """A part that Morsel stands on: whether it answers, and facts of it."""

    name: str
    state: Literal["good", "warn", "bad"]
    summary: str
    facts: dict[str, str]


class Process(BaseModel):
    """A server process as it last told of itself."""

    process: str
    cpu_us: float | None = Field(description="CPU a request, in microseconds.")
    requests: int | None
    snapshot_age_s: float
    seen_at: datetime


class SettingView(BaseModel):
    """A setting in force; secrets are not shown."""

    name: str
    value: str
    source: str
    description: str


class Health(BaseModel):
    """How the parts are, which processes run, what waits, and the settings in force."""

    parts: list[Part]
    processes: list[Process]
    queues: dict[str, int]
    versions: dict[str, str]
    settings: list[SettingView]


class ShownItem(BaseModel):
    """An item that somebody got, as the catalogue has it now."""

    item_id: str
    title: str
    image: str


class Became(BaseModel):
    """What became of an answer: `what` is impression, open, click or order; machines are apart."""

    what: str
    machine: bool
    item_id: str | None
    count: int
    last_at: datetime
    value: float | None = Field(description="What was paid, of an order.")


class PersonAnswer(BaseModel):
    """An answer that somebody got: when, where, from which rung and why, the items, and what became of it."""

    served_at: datetime
    recommendation_id: str
    placement: str
    placement_version: int | None
    client: str
    rung: str
    fallback: bool = Field(description="Whether the rung lies below a current list.")
    reason: str = Field(description="Why it was no higher rung; empty where nothing stood in the way.")
    recommender: str
    model_version: str
    send_id: str
    latency_ms: float
    items: list[ShownItem]
    became: list[Became]


class PersonAnswers(BaseModel):
    """Answers of a person, newest first; `next` is `before` of the next page."""

    answers: list[PersonAnswer]
    next: str | None


class SignalDay(BaseModel):
    """A day (UTC): how often each signal came, what machines did apart, and the value of attributed orders."""

    day: date
    counts: dict[str, int] = Field(description="By signal, without machines; `conversion` counts attributed orders.")
    machines: dict[str, int] = Field(description="What machines did, by signal.")
    revenue: float


class SignalGroup(BaseModel):
    """Signals of a placement, of a campaign, or of all; the rates are counts over each other: who opens twice counts twice."""

    name: str
    counts: dict[str, int]
    machines: dict[str, int]
    revenue: float
    rates: Rates


class SignalSeries(BaseModel):
    """Signals day by day, and their sums by placement and campaign (at most 50 of each, the busiest)."""

    first: date
    last: date
    placement: str
    campaign: str
    total: SignalGroup
    days: list[SignalDay]
    placements: list[SignalGroup]
    campaigns: list[SignalGroup]
