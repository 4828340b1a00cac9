"""What a send asks of the servers, against what they measured."""

from datetime import UTC, datetime, timedelta

import pytest

from app.sends import forecast
from app.sends.forecast import Measured

NOW = datetime(2027, 3, 1, tzinfo=UTC)


def process(cpu_us: float | None = 500.0, *, workers: int = 1, cpus: float = 4, seen_s: float = 10, measured_s: float = 100) -> Measured:
    measured_at = NOW - timedelta(seconds=measured_s) if cpu_us else None
    return Measured(workers, cpus, cpu_us, 900 if cpu_us else None, measured_at, 0.0, NOW - timedelta(seconds=seen_s))


def test_a_process_with_a_cpu_of_its_own_carries_seven_tenths_of_what_it_could() -> None:
    found = forecast.capacity([process(500.0)], NOW)
    assert found.per_s == pytest.approx(1400)
    assert found.cpu_us == 500


def test_more_processes_than_cpus_carry_no_more() -> None:
    found = forecast.capacity([process(workers=8, cpus=2) for _ in range(8)], NOW)
    assert found.processes == pytest.approx(2)
    assert found.per_s == pytest.approx(2800)


def test_nothing_measured_is_said_and_not_invented() -> None:
    assert forecast.capacity([], NOW).per_s is None
    found = forecast.capacity([process(None)], NOW)
    assert (found.per_s, found.cpu_us, found.processes) == (None, None, 1)


def test_what_a_process_that_is_gone_measured_still_counts_but_not_its_cpu() -> None:
    gone = process(400.0, seen_s=3600)
    assert forecast.capacity([gone], NOW).per_s is None
    assert forecast.capacity([gone], NOW).cpu_us == 400
    assert forecast.capacity([gone, process(None)], NOW).per_s == pytest.approx(1750)
    assert forecast.capacity([gone, process(800.0)], NOW).cpu_us == 800


def test_a_send_brings_its_people_times_calls_spread_over_its_time_and_a_peak() -> None:
    found = forecast.load(100_000, 600, calls_a_person=3, peak_factor=2)
    assert (found.calls, found.mean_per_s, found.peak_per_s) == (300_000, 500, 1000)


def test_sends_overlap_only_while_both_run() -> None:
    hour = timedelta(hours=1)
    assert forecast.overlap(NOW, NOW + hour, NOW + hour / 2, NOW + 2 * hour)
    assert not forecast.overlap(NOW, NOW + hour, NOW + hour, NOW + 2 * hour)
