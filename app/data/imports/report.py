"""What is told about an import: how many rows became what, and why the others did not."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

MOST_EXAMPLES = 200
# of what is shown
_REASONS, _SHOWN = 20, 5


@dataclass(frozen=True)
class Refused:
    """One refused row: its file, the line it begins on (rows of Parquet count from 1), the reason, and the value meant if one is."""

    file: str
    line: int
    reason: str
    value: str = ""

    def document(self) -> dict[str, Any]:
        """Return it as JSON values."""
        told = {"file": self.file, "line": self.line, "reason": self.reason}
        return {**told, "value": self.value} if self.value else told


@dataclass(frozen=True)
class Progress:
    """How far an import is: rows read, and bytes of all files."""

    rows: int
    bytes_done: int
    bytes_all: int


@dataclass
class Report:
    """Counts of an import; `read == landed + refused + duplicate` always holds.

    For items `unchanged` of the landed rows changed nothing. For events `repeated` of the landed rows equal an earlier row of the same
    file (kept as events of their own). `examples` holds the first refused rows, `reasons` counts all. `warnings` counts what was left
    out of rows that landed, and rows that are no items, which do not count as read; `assumed` says what a file was taken for.
    `run_no` is the number under which the run is recorded; `on_refused` is told of every refused row.
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
    warnings: Counter[str] = field(default_factory=Counter)
    assumed: list[str] = field(default_factory=list)
    unknown_items: Counter[str] = field(default_factory=Counter)
    fault: str = ""
    seconds: float = 0.0
    run_no: int = 0
    on_refused: Callable[[Refused], None] | None = None

    def refuse(self, file: str, line: int, reason: str, value: str = "") -> None:
        """Count a refused row; `value` is what the reason speaks of, and must be no personal datum."""
        self.refused += 1
        self.reasons[reason] += 1
        if self.on_refused:
            self.on_refused(Refused(file, line, reason))
        if len(self.examples) < MOST_EXAMPLES:
            self.examples.append(Refused(file, line, reason, value))

    @property
    def strangers(self) -> str:
        """Say that most, or all, events that landed name items that the catalogue does not have; empty where they do not."""
        lost = self.unknown_items.total()
        if not self.landed or lost * 2 <= self.landed:
            return ""
        examples = ", ".join(sorted(self.unknown_items)[:3])
        return (
            f"{lost:,} of {self.landed:,} rows name items that the catalogue does not have, such as {examples}: "
            "is item_id the right column, and was the catalogue imported first? `morsel import undo SOURCE` takes the rows back"
        )

    def _shown(self) -> list[Refused]:
        """Return a few examples, of as many reasons as there are."""
        firsts = {one.reason: one for one in reversed(self.examples)}
        others = [one for one in self.examples if one is not firsts[one.reason]]
        return sorted([*sorted(firsts.values(), key=self.examples.index)[:_SHOWN], *others][:_SHOWN], key=self.examples.index)

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
            "reasons": _most(self.reasons),
            "examples": [one.document() for one in self._shown()],
            "warnings": _most(self.warnings),
            "assumed": self.assumed,
            "unknown_items": {
                "count": len(self.unknown_items),
                "events": self.unknown_items.total(),
                "examples": sorted(self.unknown_items)[:20],
            },
            "fault": self.fault,
            "seconds": round(self.seconds, 3),
        }


def _most(counts: Counter[str]) -> dict[str, int]:
    """Return the most frequent, and how often all others came together."""
    shown = dict(counts.most_common(_REASONS))
    rest = counts.total() - sum(shown.values())
    return {**shown, f"{len(counts) - len(shown)} other reasons": rest} if rest else shown
