"""Pre-flight: what is wrong with a send while there is time to change it. Pure rules over facts."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from app.core.settings import Settings
from app.decisions.placements.domain import Placement
from app.sends.domain import LARGEST_LAG_S, Send, warm_in_s
from app.sends.forecast import Capacity, Load

Severity = Literal["error", "warning"]

# Every finding, with its severity; docs/sends.md lists the same (a test compares).
CODES: dict[str, Severity] = {
    "placement_unknown": "error",
    "placement_without_recommender": "error",
    "placement_shows_items_of_a_page": "warning",
    "placement_has_parts": "warning",
    "model_missing": "error",
    "model_unusable": "error",
    "model_old": "warning",
    "events_old": "warning",
    "events_not_applied": "error",
    "catalogue_empty": "error",
    "catalogue_old": "warning",
    "popular_old": "warning",
    "snapshot_old": "warning",
    "worker_away": "error",
    "redis_away": "error",
    "redis_not_whole": "warning",
    "redis_memory": "error",
    "audience_empty": "error",
    "audience_mostly_unknown": "warning",
    "no_time_to_prewarm": "error",
    "servers_away": "warning",
    "capacity_not_measured": "warning",
    "peak_over_capacity": "error",
    "peak_over_limit": "warning",
    "links_unsigned": "error",
}
OLDEST_POPULAR = timedelta(days=1)
OLDEST_SNAPSHOT_S = 60.0
MEMORY_SHARE = 0.9


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: a stable code, how bad it is, and what to do."""

    code: str
    severity: Severity
    detail: str


@dataclass(frozen=True)
class Facts:
    """What was seen when a send was looked at; None means that there is none.

    `moment` is the start of the send on the clock of training and scoring, `now` the present on the same clock. `learned_until` end
    of the live model's data, `model_fault` why it cannot be used, `apply_lag_s` age of the oldest event that is not in anybody's
    state, `redis` whether it is away, not whole yet, or whole, `memory_used` and `memory_max` in bytes (0 for no bound),
    `near_placement` the name most like one that is not known, `ahead` people that other sends have still before them, `limit_per_s`
    largest limit of an e-mail platform's client, `memory_needed` bytes of the lists.
    """

    now: datetime
    moment: datetime
    placement: Placement | None
    learned_until: datetime | None
    has_model: bool
    model_fault: str
    newest_event: datetime | None
    apply_lag_s: float
    has_items: bool
    catalogue_changed: datetime | None
    popular_computed: datetime | None
    snapshot_age_s: float
    worker: bool
    redis: Literal["away", "not whole", "whole"]
    memory_used: int
    memory_max: int
    memory_needed: int
    links_signed: bool
    limit_per_s: float | None
    ahead: int
    seconds_left: float
    load: Load
    capacity: Capacity
    near_placement: str = ""


def findings(send: Send, facts: Facts, settings: Settings) -> list[Finding]:
    """Return what is wrong with a send, errors first."""
    found = [*_content(send, facts), *_data(facts, settings), *_parts(facts), *_audience(send, facts, settings), *_load(facts)]
    return sorted((Finding(code, CODES[code], detail) for code, detail in found), key=lambda one: one.severity)


def _content(send: Send, facts: Facts) -> Iterator[tuple[str, str]]:
    placement = facts.placement
    if placement is None:
        meant = f", such as {facts.near_placement}" if facts.near_placement else ""
        yield "placement_unknown", f"Publish a placement named {send.placement}, or announce the send for one that exists{meant}."
        return
    if not placement.recommender:
        yield (
            "placement_without_recommender",
            "Name a recommender in the placement, or send without prewarming: everybody gets popular items.",
        )
        return
    if placement.anchor == "item":
        yield "placement_shows_items_of_a_page", "Ask without `item_id` in this send: an answer that goes with an item is not prewarmed."
    if apart := [part.name for part in placement.parts if part.seed or part.filter or part.recommender]:
        yield (
            "placement_has_parts",
            f"Expect {', '.join(apart)} to be scored when letters are opened: only lists of the placement are prewarmed.",
        )
    if not facts.has_model:
        yield "model_missing", f"Train and promote a model of {placement.recommender}."
    elif facts.model_fault:
        yield "model_unusable", f"Promote another model of {placement.recommender}, or copy its files here ({facts.model_fault})."


def _data(facts: Facts, settings: Settings) -> Iterator[tuple[str, str]]:
    model = timedelta(days=settings.send_model_days)
    if facts.has_model and facts.learned_until is not None and facts.moment - facts.learned_until > model:
        days = (facts.moment - facts.learned_until).days
        yield "model_old", f"Train before the send: at its start the model's data will have ended {days} days ago."
    if facts.newest_event is None:
        yield "events_old", "Send events or import them: there are none, so nobody has a history."
    elif facts.now - facts.newest_event > timedelta(hours=settings.send_events_hours):
        hours = int((facts.now - facts.newest_event).total_seconds() // 3600)
        yield "events_old", f"Look at the sources of events: the newest one happened {hours} hours ago."
    if facts.apply_lag_s > LARGEST_LAG_S:
        yield "events_not_applied", f"Let the worker catch up: events of {int(facts.apply_lag_s)} seconds are not in anybody's history yet."
    if not facts.has_items:
        yield "catalogue_empty", "Import a catalogue: there is no available item."
    elif facts.catalogue_changed and facts.now - facts.catalogue_changed > timedelta(days=settings.send_catalogue_days):
        yield "catalogue_old", f"Import the catalogue again: it has not changed for {(facts.now - facts.catalogue_changed).days} days."
    if facts.popular_computed is None or facts.now - facts.popular_computed > OLDEST_POPULAR:
        yield "popular_old", "Start the worker, which refreshes the popular lists: they stand in for everybody without a history."


def _parts(facts: Facts) -> Iterator[tuple[str, str]]:
    if facts.snapshot_age_s > OLDEST_SNAPSHOT_S:
        yield "snapshot_old", f"Look at the servers: one has not heard from PostgreSQL for {int(facts.snapshot_age_s)} seconds."
    if not facts.worker:
        yield "worker_away", "Start a worker: nobody prewarms now."
    if facts.redis == "away":
        yield "redis_away", "Bring Redis back: without it no list is kept, and every answer is scored when it is asked for."
    elif facts.redis == "not whole":
        yield "redis_not_whole", "Wait until the worker has written all states to Redis: until then lists are not used."
    if facts.redis != "away" and facts.memory_max and facts.memory_used + facts.memory_needed > MEMORY_SHARE * facts.memory_max:
        needed, free = facts.memory_needed >> 20, max(0, facts.memory_max - facts.memory_used) >> 20
        yield "redis_memory", f"Raise Redis' maxmemory: the lists need about {needed} MB and {free} MB are free."
    if not facts.links_signed:
        yield "links_unsigned", "Start with the master secret that sealed the link keys, or rotate them: links cannot be signed."


def _audience(send: Send, facts: Facts, settings: Settings) -> Iterator[tuple[str, str]]:
    if not send.audience:
        yield "audience_empty", "Give user ids, or another segment or condition: the audience is empty."
    elif 2 * send.strangers > send.audience:
        yield "audience_mostly_unknown", f"Check which ids were given: {send.strangers} of {send.audience} belong to nobody known."
    # nothing is late for a send that is warm already
    seconds = warm_in_s(send, facts.ahead, settings.prewarm_per_s)
    if send.left and seconds > facts.seconds_left:
        yield (
            "no_time_to_prewarm",
            f"Start later or raise MORSEL_PREWARM_PER_S: it takes {int(seconds) + 1} seconds until everybody is warm "
            f"and {max(0, int(facts.seconds_left))} are left.",
        )


def _load(facts: Facts) -> Iterator[tuple[str, str]]:
    peak, measured = facts.load.total_per_s, facts.capacity
    if measured.cpu_us is None:
        yield "capacity_not_measured", "Let servers answer some hundred requests within seconds, so that they can measure what one costs."
    elif measured.per_s is None:
        yield "servers_away", "Start servers: none has told of itself within the last minutes."
    elif peak > measured.per_s:
        yield (
            "peak_over_capacity",
            (
                f"Make the send longer or add servers: about {int(peak)} requests a second are expected at the peak, "
                f"{int(measured.per_s)} can be answered."
            ),
        )
    if facts.limit_per_s is not None and peak > facts.limit_per_s:
        yield (
            "peak_over_limit",
            (
                f"Raise the limit of the e-mail platform's client: it allows {int(facts.limit_per_s)} requests a second and about "
                f"{int(peak)} are expected; what is over gets popular items."
            ),
        )
