"""What is told about an import: how many rows became what, and why the others did not."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

MOST_EXAMPLES = 200


@dataclass(frozen=True)
class Refused:
    """One refused row: its file, the line it begins on (rows of Parquet count from 1), and the reason."""

    file: str
    line: int
    reason: str


@dataclass(frozen=True)
class Progress:
    """How far an import is: rows read, and bytes of all files."""

    rows: int
    bytes_done: int
    bytes_all: int


@dataclass
class Report:
    """Counts of an import; `read == landed + refused + duplicate` always holds.

    For items `unchanged` of the landed rows changed nothing. For events `repeated` of the landed rows equal an earlier row
    of the same file (kept as events of their own). `examples` holds the first refused rows, `reasons` counts all.
    """

    read: int = 0
    landed: int = 0
    refused: int = 0
    duplicate: int = 0
    unchanged: int = 0
    repeated: int = 0
    absent: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    examples: list[Refused] = field(default_factory=list)
    unknown_items: Counter[str] = field(default_factory=Counter)
    fault: str = ""
    seconds: float = 0.0

    def refuse(self, file: str, line: int, reason: str) -> None:
        """Count a refused row."""
        self.refused += 1
        self.reasons[reason] += 1
        if len(self.examples) < MOST_EXAMPLES:
            self.examples.append(Refused(file, line, reason))

    def document(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "read": self.read,
            "landed": self.landed,
            "refused": self.refused,
            "duplicate": self.duplicate,
            "unchanged": self.unchanged,
            "repeated": self.repeated,
            "absent": self.absent,
            "reasons": dict(self.reasons.most_common()),
            "examples": [{"file": r.file, "line": r.line, "reason": r.reason} for r in self.examples],
            "unknown_items": {
                "count": len(self.unknown_items),
                "events": self.unknown_items.total(),
                "examples": sorted(self.unknown_items)[:20],
            },
            "fault": self.fault,
            "seconds": round(self.seconds, 3),
        }
