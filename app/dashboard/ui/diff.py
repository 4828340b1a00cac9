"""Two texts line by line, for people."""

import difflib
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A line of a difference: `kind` is same, add, remove or gap; the numbers are those of the lines."""

    kind: str
    old: int | None
    new: int | None
    text: str


def rows(old: str, new: str, around: int = 3) -> list[Row]:
    """Return what changed with some lines around it; empty when nothing did."""
    before, after = old.splitlines(), new.splitlines()
    found: list[Row] = []
    for number, group in enumerate(difflib.SequenceMatcher(None, before, after, autojunk=False).get_grouped_opcodes(around)):
        if number:
            found.append(Row("gap", None, None, ""))
        for what, old_from, old_to, new_from, new_to in group:
            if what == "equal":
                found.extend(
                    Row("same", old_from + step + 1, new_from + step + 1, before[old_from + step]) for step in range(old_to - old_from)
                )
                continue
            found.extend(Row("remove", index + 1, None, before[index]) for index in range(old_from, old_to))
            found.extend(Row("add", None, index + 1, after[index]) for index in range(new_from, new_to))
    return found
