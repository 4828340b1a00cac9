"""The words of a send, and what is due for one at a moment. Pure."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

LONGEST_S = 5 * 86_400
"""Longest duration of a send."""
FURTHEST = timedelta(days=90)
"""How far ahead a send may be announced."""
LONGEST_TTL_S = 14 * 86_400
AFTER_S = 600
"""Seconds that a list stays after the send: the last recipients open their mail then."""
AHEAD = timedelta(hours=24)
"""How long before its start, and the time that prewarming takes, a send is prewarmed."""
MARGIN_S = 60.0
RETRY = timedelta(seconds=60)
LARGEST_LAG_S = 60.0
"""Events may be so much older than the state that they belong to before that counts as a backlog."""


class Status(StrEnum):
    """How far a send is: too early or not possible yet, being prewarmed, ready, past its end, called off."""

    WAITING = "waiting"
    WARMING = "warming"
    WARM = "warm"
    OVER = "over"
    CANCELLED = "cancelled"


OPEN = (Status.WAITING, Status.WARMING, Status.WARM)


@dataclass(frozen=True)
class Send:
    """A send as it is kept.

    The audience: everyone, the people of a `segment`, whoever meets a `condition`, or `given` ids of which some were
    `duplicate` or `unreadable`; `audience` people are left, of whom `strangers` have no number. `made_for` names model and
    filter of the pass under way, `position` the last person it has dealt with; the counts from `warmed` on are those of
    this pass, `scored` that of all passes.
    """

    tenant: int
    send_no: int
    name: str
    placement: str
    start_at: datetime
    duration_s: int
    everyone: bool
    status: Status
    note: str
    created_at: datetime
    given: int = 0
    duplicate: int = 0
    unreadable: int = 0
    audience: int = 0
    strangers: int = 0
    pass_no: int = 0
    made_for: str = ""
    position: int = -1
    warmed: int = 0
    already_warm: int = 0
    gone: int = 0
    no_consent: int = 0
    no_history: int = 0
    failed: int = 0
    scored: int = 0
    rate_per_s: float | None = None
    pass_started_at: datetime | None = None
    pass_finished_at: datetime | None = None
    segment: str = ""
    condition: str = ""

    @property
    def end_at(self) -> datetime:
        """The moment after which no recipient is expected."""
        return self.start_at + timedelta(seconds=self.duration_s)

    @property
    def unknown(self) -> int:
        """People of the audience that nobody knows, or who were erased since."""
        return self.strangers + self.gone

    @property
    def done(self) -> int:
        """People of the audience that this pass has dealt with."""
        if not self.pass_no:
            return 0
        return self.unknown + self.warmed + self.already_warm + self.no_consent + self.no_history + self.failed

    @property
    def left(self) -> int:
        """People of the audience that this pass still has before it."""
        return max(0, self.audience - self.done)


class Move(StrEnum):
    """What is due for a send."""

    REST = "rest"
    BEGIN = "begin"
    GO_ON = "go on"
    END = "end"


def needed_s(people: int, per_s: float) -> float:
    """Return the seconds that prewarming so many people takes at a rate."""
    return people / per_s


def warm_in_s(send: Send, ahead: int, per_s: float) -> float:
    """Return the seconds until everybody is warm: at the rate seen while it is under way, else after `ahead` people of other sends."""
    if send.status is Status.WARMING and send.rate_per_s:
        return needed_s(send.left, min(send.rate_per_s, per_s))
    return needed_s(ahead + send.left, per_s) if send.left else 0.0


def warm_from(send: Send, per_s: float) -> datetime:
    """Return the moment from which on a send is prewarmed."""
    return send.start_at - AHEAD - timedelta(seconds=needed_s(send.audience, per_s))


def freshen_at(send: Send, per_s: float) -> datetime:
    """Return the moment of the last look before the start: early enough for all, late enough for the newest events."""
    return send.start_at - timedelta(seconds=needed_s(send.audience, per_s) + MARGIN_S)


def ttl_s(send: Send, now: datetime, least_s: int) -> int:
    """Return the seconds that a list written now stays: past the end of the send, within bounds."""
    rest = math.ceil((send.end_at - now).total_seconds()) + AFTER_S
    return min(max(rest, least_s), LONGEST_TTL_S)


def early(send: Send, now: datetime, per_s: float) -> bool:
    """Tell whether it is too early to prewarm."""
    return send.status is Status.WAITING and now < warm_from(send, per_s)


def must_wait(send: Send, lag_s: float, never_applied: bool, now: datetime, per_s: float) -> bool:
    """Tell whether a pass should wait for events to reach people's states: lists made now would be of yesterday.

    Where none was ever applied there is nobody to score; else the start of the send does not wait.
    """
    return never_applied or (lag_s > LARGEST_LAG_S and now < freshen_at(send, per_s))


def next_move(send: Send, made_for: str, lists_kept: bool, now: datetime, per_s: float) -> tuple[Move, str]:
    """Return what is due for a send that may be prewarmed now, and for a new pass why it begins.

    `made_for` names the live model and the present filter, `lists_kept` says that Redis still holds what this pass wrote.
    """
    if now >= send.end_at:
        return Move.END, ""
    if not send.pass_no or send.status is Status.WAITING:
        return Move.BEGIN, ""
    if send.made_for != made_for:
        return Move.BEGIN, _what_changed(send.made_for, made_for)
    if not lists_kept:
        return Move.BEGIN, "began again: Redis lost the lists"
    if send.status is Status.WARMING:
        return Move.GO_ON, ""
    if send.pass_started_at is not None and send.pass_started_at < freshen_at(send, per_s) <= now < send.start_at:
        return Move.BEGIN, "looked at again shortly before the start"
    if send.failed and send.pass_finished_at is not None and now >= send.pass_finished_at + RETRY:
        return Move.BEGIN, "began again: some lists could not be made"
    return Move.REST, ""


def spell_made_for(recommender: str, model_no: int, filter_key: str, candidates: int, least_confidence: float) -> str:
    """Name what lists are made for; another name makes them stale."""
    return f"{recommender}/{model_no}/{filter_key}/{candidates}/{least_confidence:g}"


def _what_changed(old: str, new: str) -> str:
    before, after = old.split("/"), new.split("/")
    if before[0] != after[0]:
        return "began again: the placement names another recommender"
    if before[1] != after[1]:
        return "began again: another model is live"
    if before[2] != after[2]:
        return "began again: the placement's filter changed"
    return "began again: the placement changed"
