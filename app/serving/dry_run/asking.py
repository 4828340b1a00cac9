"""What a dry run tries and on whom: a draft that passed its checks, and the requests that are made with it and without."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

from pydantic import AwareDatetime, BaseModel, Field, model_validator

from app.core.db import Database
from app.documents import service
from app.documents.kinds import Facts, Finding, Kind, named, read

SECONDS = 10.0
"""So long a dry run may take that somebody waits for."""
DEFAULT_PEOPLE, MOST_PEOPLE = 200, 1_000
DEFAULT_REQUESTS, MOST_REQUESTS = 1_000, 20_000
LONGEST_SPAN = timedelta(days=31)


class Ask(BaseModel):
    """On whom a draft is tried: a sample of people now, or requests that were recorded; and what calls say beside it."""

    on: Literal["people", "requests"] = "people"
    people: int = Field(DEFAULT_PEOPLE, ge=1, le=MOST_PEOPLE)
    begins: AwareDatetime | None = None
    ends: AwareDatetime | None = None
    most: int = Field(DEFAULT_REQUESTS, ge=1, le=MOST_REQUESTS)
    said: dict[str, str] = {}

    @model_validator(mode="after")
    def _yesterday(self) -> "Ask":
        """Take yesterday in UTC where nothing is said, and a day where one end is."""
        if self.on == "people":
            return self
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        day = timedelta(days=1)
        self.begins = self.begins or (self.ends - day if self.ends is not None else today - day)
        self.ends = self.ends or min(self.begins + day, max(datetime.now(UTC), self.begins + timedelta(seconds=1)))
        if not self.begins < self.ends <= self.begins + LONGEST_SPAN:
            raise ValueError(f"`to` is after `from`, by {LONGEST_SPAN.days} days at most")
        return self


class Draft(NamedTuple):
    """A document as it is tried: the table of its kind, its name, its body, and what was found in it."""

    table: str
    name: str
    body: dict[str, Any]
    findings: list[Finding]


async def drafted(db: Database, kind: Kind[Any], tenant: int, name: str, written: Any, facts: Facts | None) -> Draft:
    """Return what somebody wrote, or the newest version for an empty document, as it is tried; raises Invalid and NotFound."""
    named(kind, name)
    body = written or (await service.history(db, kind, tenant, name))[0].body
    document, _ = read(kind, body, name)
    findings = await service.check(db, kind, tenant, document, facts, name)
    service.refused(kind, findings, strict=False)
    return Draft(kind.table, name, document.model_dump(mode="json"), findings)


class Asked(NamedTuple):
    """One request: of whom (a number, below zero for a stranger), in which placement, with which parameters, and at which unix moment
    (0: now)."""

    person: int
    placement: str
    given: Mapping[str, str]
    at: float = 0.0


@dataclass
class Going:
    """How a dry run goes: how long it may take, which part of that it may be busy, how far it is, and whether somebody stopped it."""

    seconds: float = SECONDS
    busy: float = 1.0
    done: int = 0
    all: int = 0
    stopped: bool = False
