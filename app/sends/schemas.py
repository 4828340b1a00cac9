"""Wire shapes of sends."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.sends.domain import LONGEST_S, Send, Status
from app.sends.preflight import Severity

_STORABLE = r"^[^\x00]*$"


class NewSend(BaseModel):
    """A send to announce: `start` with its time zone (now when it is left out), and one of `user_ids`, `everyone`, `segment`, `when`."""

    model_config = ConfigDict(extra="forbid")

    placement: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
    duration_s: int = Field(ge=1, le=LONGEST_S)
    start: AwareDatetime | None = None
    name: Annotated[str, Field(max_length=200, pattern=_STORABLE)] = ""
    everyone: bool = False
    # whatever stands in the list: an id that cannot be one is told, the others count
    user_ids: list[Any] | None = None
    segment: Annotated[str, Field(pattern=r"^([a-z0-9][a-z0-9_-]{0,63})?$")] = ""
    when: str | dict[str, Any] | None = None


class Refused(BaseModel):
    """An id that cannot be one: its place in the list (or line of the file), and why."""

    place: int
    reason: str


class AudienceOut(BaseModel):
    """What became of the ids that were given: `people` are left when `duplicate` and `unreadable` ones are out.

    Of a `segment`, or a condition `when`, `people` are those of the moment it was looked at last.
    """

    given: int
    duplicate: int
    unreadable: int
    people: int
    everyone: bool
    segment: str
    when: str


class ProgressOut(BaseModel):
    """How far prewarming is. Once `done` is `audience`, every person stands in exactly one of the counts."""

    audience: int
    done: int
    warmed: int
    already_warm: int
    unknown: int
    no_consent: int
    no_history: int
    failed: int
    scored_in_all: int
    rounds: int
    rate_per_s: float | None
    started_at: datetime | None
    finished_at: datetime | None


class ForecastOut(BaseModel):
    """What is expected, and what was measured; a figure that nobody measured is null and `capacity` says `not measured`."""

    requests: int
    mean_requests_per_s: float
    peak_requests_per_s: float
    other_sends_per_s: float
    capacity: str
    capacity_requests_per_s: float | None
    cpu_us_per_request: float | None
    server_processes: float
    measured_at: datetime | None
    fits: bool | None
    prewarm_seconds: float
    memory_bytes: int


class FindingOut(BaseModel):
    """One thing that is wrong, and what to do."""

    code: str
    severity: Severity
    detail: str


class SendOut(BaseModel):
    """A send. `id` is null for a dry run; `note` says why it waits or began again."""

    id: int | None
    name: str
    placement: str
    start: datetime
    end: datetime
    duration_s: int
    status: Status
    note: str
    created_at: datetime
    audience: AudienceOut
    progress: ProgressOut

    @classmethod
    def of(cls, send: Send) -> "SendOut":
        """Wrap a send."""
        return cls(**fields_of(send))


class SendDetail(SendOut):
    """A send with its forecast and what is wrong with it now, errors first; both only while it is neither over nor cancelled."""

    forecast: ForecastOut | None
    findings: list[FindingOut]


class Announced(SendDetail):
    """A send as it was just announced; `refused` names the first ids that cannot be one."""

    refused: list[Refused]


class SendList(BaseModel):
    """Sends, newest first; `next` goes into `before` for those behind."""

    sends: list[SendOut]
    next: int | None


def fields_of(send: Send) -> dict[str, Any]:
    """Return the fields of `SendOut`."""
    progress = ProgressOut(
        audience=send.audience,
        done=send.done,
        warmed=send.warmed,
        already_warm=send.already_warm,
        unknown=send.unknown,
        no_consent=send.no_consent,
        no_history=send.no_history,
        failed=send.failed,
        scored_in_all=send.scored,
        rounds=send.pass_no,
        rate_per_s=None if send.rate_per_s is None else round(send.rate_per_s, 1),
        started_at=send.pass_started_at,
        finished_at=send.pass_finished_at,
    )
    audience = AudienceOut(
        given=send.given, duplicate=send.duplicate, unreadable=send.unreadable, people=send.audience, everyone=send.everyone,
        segment=send.segment, when=send.condition,
    )  # fmt: skip
    return {
        "id": send.send_no or None,
        "name": send.name,
        "placement": send.placement,
        "start": send.start_at,
        "end": send.end_at,
        "duration_s": send.duration_s,
        "status": send.status,
        "note": send.note,
        "created_at": send.created_at,
        "audience": audience,
        "progress": progress,
    }
