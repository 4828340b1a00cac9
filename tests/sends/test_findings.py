"""Each thing that is wrong with a send has a code, and a send that is right has none."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core.settings import Settings
from app.decisions.placements.domain import BlockPart, Placement
from app.sends.domain import Send, Status
from app.sends.forecast import Capacity, Load
from app.sends.preflight import CODES, Facts, findings

NOW = datetime(2027, 3, 1, tzinfo=UTC)
SEND = Send(1, 1, "", "email-grid", NOW + timedelta(hours=1), 3600, False, Status.WAITING, "", NOW, audience=1000, strangers=10)
RIGHT = Facts(
    now=NOW, moment=NOW + timedelta(hours=1), placement=Placement(), learned_until=NOW - timedelta(days=1), has_model=True, model_fault="",
    newest_event=NOW - timedelta(minutes=1), apply_lag_s=0.5, has_items=True, catalogue_changed=NOW - timedelta(hours=3),
    popular_computed=NOW - timedelta(minutes=9), snapshot_age_s=0.4, worker=True, redis="whole", memory_used=10 << 20, memory_max=0,
    memory_needed=1 << 20, links_signed=True, limit_per_s=100.0, ahead=0, seconds_left=3600.0, load=Load(3000, 0.8, 1.7),
    capacity=Capacity(2, 500.0, 2800.0, NOW),
)  # fmt: skip

WRONG: dict[str, dict[str, Any]] = {
    "placement_unknown": {"placement": None},
    "placement_without_recommender": {"placement": Placement(recommender="")},
    "placement_shows_items_of_a_page": {"placement": Placement(anchor="item")},
    "placement_has_parts": {"placement": Placement(parts=(BlockPart(name="brand", seed="top_brand"),))},
    "model_missing": {"has_model": False},
    "model_unusable": {"model_fault": "top.onnx is damaged"},
    "model_old": {"learned_until": NOW - timedelta(days=14)},
    "events_old": {"newest_event": NOW - timedelta(hours=49)},
    "events_not_applied": {"apply_lag_s": 61.0},
    "catalogue_empty": {"has_items": False},
    "catalogue_old": {"catalogue_changed": NOW - timedelta(days=8)},
    "popular_old": {"popular_computed": NOW - timedelta(hours=25)},
    "snapshot_old": {"snapshot_age_s": 61.0},
    "worker_away": {"worker": False},
    "redis_away": {"redis": "away"},
    "redis_not_whole": {"redis": "not whole"},
    "redis_memory": {"memory_max": 12 << 20},
    "no_time_to_prewarm": {"seconds_left": 0.5},
    "servers_away": {"capacity": Capacity(0, 500.0, None, NOW)},
    "capacity_not_measured": {"capacity": Capacity(2, None, None, None)},
    "peak_over_capacity": {"load": Load(1e7, 1500, 3000), "limit_per_s": None},
    "peak_over_limit": {"load": Load(1e6, 200, 400)},
    "links_unsigned": {"links_signed": False},
}


def codes(facts: Facts, send: Send = SEND) -> list[str]:
    return [one.code for one in findings(send, facts, Settings())]


def test_a_send_that_is_right_has_no_finding() -> None:
    assert codes(RIGHT) == []


@pytest.mark.parametrize("code", WRONG)
def test_what_is_wrong_has_its_own_code(code: str) -> None:
    assert codes(replace(RIGHT, **WRONG[code])) == [code]


def test_an_empty_and_an_unknown_audience_are_told() -> None:
    assert codes(RIGHT, replace(SEND, audience=0, strangers=0)) == ["audience_empty"]
    assert codes(RIGHT, replace(SEND, strangers=501)) == ["audience_mostly_unknown"]
    assert codes(RIGHT, replace(SEND, strangers=500)) == []


def test_every_code_can_be_found_and_is_described() -> None:
    assert {*WRONG, "audience_empty", "audience_mostly_unknown"} == set(CODES)
    page = (Path(__file__).resolve().parents[2] / "docs" / "sends.md").read_text()
    described = dict(re.findall(r"^\| `([a-z_]+)` \| (error|warning) \|", page, re.M))
    assert described == CODES


def test_errors_come_first_and_each_says_what_to_do() -> None:
    everything = replace(RIGHT, **{name: value for facts in WRONG.values() for name, value in facts.items() if name != "placement"})
    found = findings(SEND, everything, Settings())
    assert [one.severity for one in found] == sorted(one.severity for one in found)
    assert all(one.detail.endswith(".") and one.detail[0].isupper() for one in found)


def test_a_model_that_is_young_now_may_be_old_at_the_start() -> None:
    facts = replace(RIGHT, learned_until=NOW - timedelta(days=10), moment=NOW + timedelta(days=5))
    assert codes(facts) == ["model_old"]


def test_other_sends_share_the_time_and_the_servers() -> None:
    assert codes(replace(RIGHT, ahead=4_000_000)) == ["no_time_to_prewarm"]
    assert codes(replace(RIGHT, load=Load(3000, 0.8, 1.7, others_per_s=5000), limit_per_s=None)) == ["peak_over_capacity"]


def test_a_send_under_way_is_judged_by_the_rate_that_is_seen() -> None:
    slow = replace(SEND, pass_no=1, status=Status.WARMING, warmed=90, rate_per_s=0.2)
    assert codes(replace(RIGHT, ahead=10_000_000), slow) == ["no_time_to_prewarm"]
    assert codes(replace(RIGHT, ahead=10_000_000), replace(slow, rate_per_s=0.3)) == []


def test_nothing_is_late_for_a_send_that_is_warm() -> None:
    warm = replace(SEND, pass_no=1, status=Status.WARM, warmed=990)
    assert codes(replace(RIGHT, seconds_left=-100.0, ahead=1000), warm) == []


def test_a_client_without_a_bound_is_never_over_it() -> None:
    assert codes(replace(RIGHT, limit_per_s=None)) == []
