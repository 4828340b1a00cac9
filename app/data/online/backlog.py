"""People whose newest state has not reached Redis yet, and since when which node has not taken one."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping


class Backlog:
    """Unpublished people, each with the nodes that did not take their state; none yet where it was not tried."""

    def __init__(self) -> None:
        self._nodes_of: dict[int, frozenset[str]] = {}
        self._left: Counter[str] = Counter()
        self._since: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._nodes_of)

    def people(self) -> list[int]:
        """Return everyone who waits."""
        return list(self._nodes_of)

    def add(self, people: Iterable[int]) -> None:
        """Note people whose state changed."""
        for person in people:
            self._nodes_of.setdefault(person, frozenset())

    def tried(self, people: Iterable[int], left: Mapping[int, Iterable[str]]) -> None:
        """Note what came of publishing people: those in `left` wait on, for the nodes named there."""
        for person in people:
            self._left.subtract(self._nodes_of.pop(person, ()))
            if person in left:
                self._nodes_of[person] = names = frozenset(left[person])
                self._left.update(names)
        now = time.monotonic()
        self._since = {name: self._since.get(name, now) for name, count in self._left.items() if count > 0}

    def late(self, seconds: float) -> set[str]:
        """Return the nodes for which somebody has been waiting all that time."""
        now = time.monotonic()
        return {name for name, since in self._since.items() if now - since > seconds}
