"""All segments with their sizes, and how facts are spread over people, over HTTP."""

import random
from datetime import timedelta

import httpx
import numpy as np
import pytest

from app.data.segments.distribution import bins, quantiles
from app.data.segments.judging import keep_sizes
from tests.data.conftest import Put, event
from tests.data.segments.test_segments import SEGMENTS, Clock, Worker, moved, publish, worker

__all__ = ["moved", "worker"]
FACTS = "/v1/admin/facts"


@pytest.mark.parametrize("draw", [lambda: random.gauss(0, 3), lambda: float(random.randrange(40)), lambda: random.paretovariate(1.1)])
def test_quantiles_equal_those_of_numpy_and_every_value_is_in_a_bin_that_holds_it(draw: object) -> None:
    random.seed(7)
    values = [float(draw()) for _ in range(997)]  # type: ignore[operator]
    for part, value in quantiles(values).items():
        assert value == pytest.approx(float(np.quantile(values, part)))
    found = bins(values)
    assert sum(one.people for one in found) == len(values)
    assert len(found) <= 30
    for one in found[:-1]:
        assert one.people == sum(one.low <= value < one.high for value in values)
    assert found[-1].high >= max(values)


def test_one_value_is_one_bin_and_counts_have_no_bins_between_whole_numbers() -> None:
    assert [tuple(one) for one in bins([2.0, 2.0])] == [(2.0, 2.0, 2)]
    assert [tuple(one) for one in bins([0.0, 1.0, 1.0, 3.0])] == [(0, 1, 1), (1, 2, 2), (2, 3, 0), (3, 4, 1)]
    # one far value does not hide the others
    assert len([one for one in bins([float(number % 10) for number in range(500)] + [1e9]) if one.people]) == 10


async def test_the_list_of_segments_tells_sizes_sentences_and_what_is_wrong(
    http: httpx.AsyncClient, worker: Worker, put: Put, moved: Clock
) -> None:
    await put(*(event(number, f"u{number}", occurred_at=moved.now - timedelta(hours=1)) for number in range(1, 4)))
    await worker.turn()
    await publish(http, "viewers", "views > 0")
    waiting = (await http.get(SEGMENTS)).json()["segments"][0]
    assert (waiting["ready"], waiting["warning"]) == (False, None)
    await worker.turn()
    await publish(http, "nobody", "orders > 5")
    assert (await http.put(f"{SEGMENTS}/vips", json={})).status_code == 200
    await worker.turn()
    numbers = [row[0] for row in await worker.db.rows("select segment_no from segment where name = 'viewers'")]
    moved.at(1)
    await keep_sizes(worker.db, worker._tenant, numbers)
    moved.at(2.5)
    found = (await http.get(SEGMENTS)).json()
    rows = {one["name"]: one for one in found["segments"]}
    assert found["people"] == 3
    assert (rows["viewers"]["size"], rows["viewers"]["sentence"], rows["viewers"]["ready"]) == (3, "Views is more than 0.", True)
    assert rows["viewers"]["trend"] == [3, 3, 3]
    assert (rows["nobody"]["size"], rows["nobody"]["warning"]) == (0, "nobody is in it")
    assert (rows["vips"]["sentence"], rows["vips"]["segment"]["when"]) == ("A list of people.", None)
    assert rows["viewers"]["segment"]["when"] == "views > 0"


async def test_moves_name_people_only_for_who_may_read_profiles(http: httpx.AsyncClient, worker: Worker, put: Put, moved: Clock) -> None:
    await put(event(1, "ann", occurred_at=moved.now))
    await worker.turn()
    await publish(http, "viewers", "views > 0")
    await worker.turn()
    (move,) = (await http.get(f"{SEGMENTS}/viewers/moves")).json()["moves"]
    assert (move["entered"], move["kind"], move["value"]) == (True, "user_id", "ann")


async def test_a_fact_tells_of_how_many_people_it_is_known_and_how_it_is_spread(
    http: httpx.AsyncClient, worker: Worker, put: Put, moved: Clock
) -> None:
    for person in range(12):
        await put(*(event(100 * person + number, f"u{person}", occurred_at=moved.now - timedelta(hours=1)) for number in range(person + 1)))
        told = {"city": "Paris" if person < 7 else f"Town {person}", "age": 20 + person}
        answer = await http.patch(f"/v1/admin/people/u{person}/traits", json=told)
        assert answer.status_code == 200, answer.text
    await worker.turn()
    views = (await http.get(f"{FACTS}/views", params={"window": "24h"})).json()
    assert (views["people"], views["sampled"], views["known"]) == (12, 12, 12)
    assert (views["quantiles"]["p0"], views["quantiles"]["p50"], views["quantiles"]["p100"]) == (1.0, 6.5, 12.0)
    assert sum(one["people"] for one in views["bins"]) == 12
    assert views["values"] == []
    assert (await http.get(f"{FACTS}/views", params={"window": "7d"})).json()["fact"]["windows"]
    keys = (await http.get(f"{FACTS}/trait")).json()
    assert {one["value"]: one["people"] for one in keys["keys"]} == {"city": 12, "age": 12}
    # what few people share could name one of them
    city = (await http.get(f"{FACTS}/trait", params={"key": "city"})).json()
    assert (city["known"], city["values"], city["others"]) == (12, [{"value": "Paris", "people": 7}], 5)
    assert "Town" not in str(city)
    age = (await http.get(f"{FACTS}/trait", params={"key": "age"})).json()
    assert (age["quantiles"]["p0"], age["quantiles"]["p100"]) == (20, 31)
    unknown = (await http.get(f"{FACTS}/trait", params={"key": "shoe"})).json()
    assert (unknown["known"], unknown["bins"], unknown["values"]) == (0, [], [])
    lifecycle = (await http.get(f"{FACTS}/lifecycle")).json()
    assert lifecycle["values"] == [{"value": "lead", "people": 12}]


async def test_whoever_withdrew_consent_counts_only_for_the_consent(
    http: httpx.AsyncClient, worker: Worker, put: Put, moved: Clock
) -> None:
    await put(event(1, "ann", occurred_at=moved.now), event(2, "bob", occurred_at=moved.now))
    await worker.turn()
    await http.put("/v1/admin/people/ann/consent", json={"personalisation": False})
    await worker.turn()
    views = (await http.get(f"{FACTS}/views")).json()
    assert (views["people"], views["known"]) == (2, 1)
    assert (await http.get(f"{FACTS}/consent", params={"key": "personalisation"})).json()["known"] == 2


async def test_what_is_asked_wrong_of_a_fact_is_told_by_field(http: httpx.AsyncClient, worker: Worker) -> None:
    assert (await http.get(f"{FACTS}/veiws")).status_code == 404
    window = await http.get(f"{FACTS}/views", params={"window": "8d"})
    assert (window.status_code, window.json()["errors"][0]["field"]) == (422, "window")
    key = await http.get(f"{FACTS}/views", params={"key": "red"})
    assert (key.status_code, key.json()["errors"][0]["field"]) == (422, "key")
    moment = (await http.get(f"{FACTS}/now.hour")).json()
    assert (moment["fact"]["subject"], moment["known"]) == ("moment", 0)
