"""What every report of a dry run tells, and the words that all begin with."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from pydantic import BaseModel, Field

from app.documents.kinds import Finding


class Replayed(BaseModel):
    """Recorded requests that were asked again: of what span, and how many there were to the placements that the draft touches."""

    begins: datetime
    ends: datetime
    recorded: int


class Told(BaseModel):
    """How a draft was tried. `cut` tells that time ran out, or somebody stopped it, before all were tried."""

    kind: str
    name: str
    sentence: str
    people: int = Field(description="How many different ones were tried, strangers among them.")
    strangers: int = Field(description="Of recorded requests each that names nobody is one.")
    answers: int
    cut: bool
    seconds: float
    replayed: Replayed | None = Field(None, description="The recorded requests, where the draft was tried on these.")
    notes: list[str] = Field(description="What to know of how it was tried.")
    findings: list[Finding]


class Run(NamedTuple):
    """What was tried, and how it went."""

    kind: str
    name: str
    tried: Sequence[Any]
    strangers: int
    cut: bool
    seconds: float
    notes: Sequence[str] = ()
    findings: Sequence[Finding] = ()
    replayed: Replayed | None = None

    def told(self, answers: int) -> dict[str, Any]:
        """Return what every report begins with."""
        return {
            "kind": self.kind, "name": self.name, "sentence": "", "people": len({one.person for one in self.tried}),
            "strangers": self.strangers, "answers": answers, "cut": self.cut, "seconds": round(self.seconds, 3),
            "replayed": self.replayed, "notes": list(self.notes), "findings": list(self.findings),
        }  # fmt: skip


def nobody(found: Told) -> str:
    """Say that nothing was tried, and why."""
    if found.replayed is not None:
        return f"No request to a placement that the {found.kind} touches is recorded {span(found.replayed)}."
    return "Nobody could be tried: there are no people or no placement yet, or the time was too short."


def whom(found: Told, placements: int) -> str:
    """Say on whom it was tried."""
    people, strangers = found.people - found.strangers, found.strangers
    where = f"in {many(placements, 'placement', 'placements')}"
    if found.replayed is not None:
        asked = f"{found.answers:,} of {many(found.replayed.recorded, 'request', 'requests')} {span(found.replayed)}"
        people_of = f"{many(people, 'person', 'people')}{f' and {strangers:,} without one' if strangers else ''}"
        return f"Asked {asked} again, of {people_of}, {where}."
    return f"Tried on {many(people, 'person', 'people')}{' and a stranger' if strangers else ''} {where}."


def ended(found: Told) -> list[str]:
    """Say that not all were tried, where that is so."""
    if not found.cut:
        return []
    return ["Time ran out before everybody was tried." if found.replayed is None else "Time ran out before all were asked."]


def span(replayed: Replayed) -> str:
    """Say from when to when requests were recorded."""
    return f"from {replayed.begins:%Y-%m-%d %H:%M} to {replayed.ends:%Y-%m-%d %H:%M} UTC"


def many(count: int, one: str, more: str) -> str:
    """Say how many."""
    return f"{count:,} {one if count == 1 else more}"
