"""Who waits for Redis, and for which node how long."""

import pytest

from app.data.online import backlog
from app.data.online.backlog import Backlog


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(backlog, "time", found)
    return found


def test_a_node_is_late_from_its_first_failure_until_nobody_waits_for_it(clock: Clock) -> None:
    waiting = Backlog()
    waiting.add([1, 2, 3])
    waiting.tried([1, 2], {1: {"a", "b"}, 2: {"a"}})
    clock.now += 2
    waiting.tried([3], {3: {"a"}})
    clock.now += 1
    assert waiting.late(2.5) == {"a", "b"}
    waiting.tried([1, 2], {})
    assert sorted(waiting.people()) == [3]
    assert waiting.late(2.5) == {"a"}, "somebody has been waiting for it all the time"
    waiting.tried([3], {})
    assert len(waiting) == 0
    assert waiting.late(0) == set()
    waiting.tried([3], {3: {"a"}})
    assert waiting.late(0.5) == set(), "a new failure counts from its own beginning"


def test_a_person_who_was_not_tried_yet_makes_no_node_late(clock: Clock) -> None:
    waiting = Backlog()
    waiting.add([1])
    clock.now += 100
    waiting.add([1])
    assert len(waiting) == 1
    assert waiting.late(1) == set()
