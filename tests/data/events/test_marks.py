"""Machines among opens and clicks: a corpus of agents, and what several requests together say."""

import csv
import random
from pathlib import Path
from typing import Any

import pytest

from app.data.events.machines import Client, Mark, Seen, judge, settle

CORPUS = list(csv.DictReader((Path(__file__).parent / "agents.tsv").open(), delimiter="\t", quoting=csv.QUOTE_NONE))


@pytest.mark.parametrize("line", CORPUS, ids=lambda line: f"{line['what']} {line['about'] or line['agent']}")
def test_an_agent_is_taken_for_what_it_is(line: dict[str, str]) -> None:
    after = None if line["after_s"] == "-" else float(line["after_s"])
    client, mark = settle(line["agent"], opened=line["what"] == "open", after_s=after)
    assert (client.name.lower(), mark.reason if mark else "") == (line["client"], line["mark"])


def test_the_corpus_has_people_and_every_mark_that_one_request_can_earn() -> None:
    marks = {line["mark"] for line in CORPUS}
    alone = {mark.reason for mark in Mark if mark < Mark.MANY_LINKS_AT_ONCE} - {"told", "browser_prefetch"}
    assert alone <= marks
    assert sum(not line["mark"] for line in CORPUS) >= 20


def test_a_browser_that_looks_ahead_has_not_clicked() -> None:
    agent = CORPUS[0]["agent"]
    assert settle(agent, opened=False, prefetch=True) == (Client.BROWSER, Mark.BROWSER_PREFETCH)


@pytest.mark.parametrize("agent", ["\x00", "é" * 10_000, "Mozilla/5.0 " * 5_000, "\ud800", "<script>", "%00", " "])
def test_hostile_agents_are_read_without_harm(agent: str) -> None:
    client, _ = settle(agent, opened=False)
    assert client in Client


def click(key: int, at: float, item: int, **more: Any) -> Seen:
    return Seen(key, at, True, item, more.get("client", Client.BROWSER), more.get("own"))


def opened(key: int, at: float, **more: Any) -> Seen:
    return Seen(key, at, False, None, more.get("client", Client.BROWSER), more.get("own"))


def test_three_links_of_one_serve_within_two_seconds_are_a_machine_all_of_them_and_its_open() -> None:
    seen = [opened(0, 99.0), click(1, 100.0, 1), click(2, 100.7, 2), click(3, 101.9, 3)]
    assert judge(seen) == dict.fromkeys(range(4), Mark.MANY_LINKS_AT_ONCE)


def test_the_click_of_a_person_on_the_same_letter_stays() -> None:
    seen = [click(1, 100.0, 1), click(2, 100.5, 2), click(3, 101.0, 3), opened(4, 900.0), click(5, 910.0, 2)]
    assert judge(seen) == {1: 50, 2: 50, 3: 50, 4: None, 5: None}


@pytest.mark.parametrize(
    "seen",
    [
        [click(1, 100.0, 1), click(2, 100.2, 1), click(3, 100.4, 1)],
        [click(1, 100.0, 1), click(2, 101.0, 2)],
        [click(1, 100.0, 1), click(2, 101.5, 2), click(3, 103.0, 3), click(4, 104.5, 4)],
    ],
    ids=["the same link, impatiently", "two links", "one link after the other"],
)
def test_fast_people_are_no_machines(seen: list[Seen]) -> None:
    assert set(judge(seen).values()) == {None}


def test_a_click_within_seconds_of_the_delivery_is_a_machine_and_an_open_is_not() -> None:
    seen = [opened(1, 101.0), click(2, 102.0, 1), click(3, 96.0, 1), click(4, 106.0, 1)]
    assert judge(seen, [100.0]) == {1: None, 2: Mark.TOO_SOON_AFTER_DELIVERY, 3: Mark.TOO_SOON_AFTER_DELIVERY, 4: None}


def test_an_unknown_program_is_believed_once_the_letter_was_opened_by_a_person() -> None:
    app = {"client": Client.UNKNOWN}
    assert judge([click(1, 100.0, 1, **app)]) == {1: Mark.NO_BROWSER_AND_NO_OPEN}
    assert judge([opened(0, 90.0), click(1, 100.0, 1, **app)]) == {0: None, 1: None}
    apple = opened(0, 90.0, own=int(Mark.APPLE_MAIL_PRIVACY))
    assert judge([apple, click(1, 100.0, 1, **app)])[1] == Mark.NO_BROWSER_AND_NO_OPEN


def test_what_has_a_mark_by_itself_keeps_it_and_still_counts_as_a_link_of_a_burst() -> None:
    seen = [click(1, 100.0, 1, own=int(Mark.SECURITY_SCANNER)), click(2, 100.5, 2), click(3, 101.0, 3)]
    assert judge(seen) == {1: Mark.SECURITY_SCANNER, 2: Mark.MANY_LINKS_AT_ONCE, 3: Mark.MANY_LINKS_AT_ONCE}


def test_the_order_of_arrival_changes_nothing() -> None:
    generator = random.Random(3)
    for _ in range(300):
        seen = [
            click(n, generator.uniform(0, 8), generator.randrange(4), client=generator.choice([Client.BROWSER, Client.UNKNOWN]))
            if generator.random() < 0.7
            else opened(n, generator.uniform(0, 8))
            for n in range(generator.randrange(9))
        ]
        delivered = [generator.uniform(0, 20) for _ in range(generator.randrange(2))]
        expected = judge(seen, delivered)
        generator.shuffle(seen)
        assert judge(seen, delivered) == expected
