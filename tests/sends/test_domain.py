"""What is due for a send, moment by moment."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.sends import domain
from app.sends.domain import Move, Send, Status

START = datetime(2027, 3, 1, 8, tzinfo=UTC)
NOW_MADE = "personal/3/abc/100/0"
SEND = Send(
    1, 7, "", "email-grid", START, 3600, False, Status.WARM, "", START - timedelta(days=3), audience=1000, pass_no=1, made_for=NOW_MADE
)


def move(send: Send, *, before_s: float, made_for: str = NOW_MADE, kept: bool = True) -> tuple[Move, str]:
    return domain.next_move(send, made_for, kept, START - timedelta(seconds=before_s), per_s=100)


def started(before_s: float) -> Send:
    return replace(SEND, pass_started_at=START - timedelta(seconds=before_s))


def test_a_send_that_was_never_prewarmed_begins() -> None:
    assert move(replace(SEND, status=Status.WAITING, pass_no=0, made_for=""), before_s=3600) == (Move.BEGIN, "")


def test_a_pass_under_way_goes_on() -> None:
    assert move(replace(SEND, status=Status.WARMING), before_s=3600)[0] is Move.GO_ON


@pytest.mark.parametrize(
    ("made_for", "why"),
    [
        ("als/3/abc/100/0", "another recommender"),
        ("personal/4/abc/100/0", "another model"),
        ("personal/3/xyz/100/0", "filter"),
        ("personal/3/abc/120/0", "placement changed"),
        ("personal/3/abc/100/0.5", "placement changed"),
    ],
)
@pytest.mark.parametrize("status", [Status.WARMING, Status.WARM])
def test_what_makes_lists_stale_begins_again_and_says_why(made_for: str, why: str, status: Status) -> None:
    found, note = move(replace(SEND, status=status), before_s=3600, made_for=made_for)
    assert found is Move.BEGIN
    assert why in note


def test_lost_lists_begin_again() -> None:
    assert move(SEND, before_s=3600, kept=False)[0] is Move.BEGIN


def test_a_warm_send_rests_until_shortly_before_its_start() -> None:
    # 1,000 people at 100 a second and a minute: 70 seconds
    assert move(started(3600), before_s=71)[0] is Move.REST
    assert move(started(3600), before_s=70)[0] is Move.BEGIN
    assert move(started(69), before_s=60)[0] is Move.REST


def test_a_send_that_runs_is_not_looked_at_again_for_its_age() -> None:
    assert move(started(3600), before_s=-10)[0] is Move.REST


def test_failed_people_are_tried_again_a_minute_later() -> None:
    failed = replace(started(3600), failed=3, pass_finished_at=START - timedelta(seconds=1000))
    assert move(failed, before_s=950)[0] is Move.REST
    assert move(failed, before_s=940)[0] is Move.BEGIN


def test_a_send_ends_with_its_duration() -> None:
    assert move(SEND, before_s=-3600)[0] is Move.END
    assert move(SEND, before_s=-3599)[0] is Move.REST


def test_prewarming_begins_a_day_and_its_own_time_before_the_start() -> None:
    waiting = replace(SEND, status=Status.WAITING)
    assert domain.early(waiting, START - timedelta(hours=24, seconds=11), 100)
    assert not domain.early(waiting, START - timedelta(hours=24, seconds=10), 100)


def test_lists_live_past_the_end_and_no_longer_than_two_weeks() -> None:
    assert domain.ttl_s(SEND, START, least_s=60) == 3600 + 600
    assert domain.ttl_s(SEND, START, least_s=86_400) == 86_400
    assert domain.ttl_s(SEND, START - timedelta(days=80), least_s=60) == 14 * 86_400
    longest = replace(SEND, duration_s=domain.LONGEST_S)
    assert domain.ttl_s(longest, START - domain.AHEAD, 60) < 14 * 86_400, "the bound never cuts a send that may be announced"


def test_a_backlog_holds_a_pass_up_as_long_as_there_is_time() -> None:
    early, late = START - timedelta(seconds=71), START - timedelta(seconds=60)
    assert domain.must_wait(SEND, 61, False, early, 100)
    assert not domain.must_wait(SEND, 59, False, early, 100)
    assert not domain.must_wait(SEND, 61, False, late, 100)
    assert domain.must_wait(SEND, 0, True, late, 100), "where no event was ever applied nobody has a history"
