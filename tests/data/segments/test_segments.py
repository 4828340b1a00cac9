"""Segments over HTTP and in the worker: who is in them after events, time, changes of documents, merges, refusals, and from scratch."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from app.core import clock
from app.core.db import Database
from app.core.ids import facts_key, person_key
from app.core.settings import Settings
from app.data import outbox
from app.data.facts import packed
from app.data.facts.domain import Seen
from app.data.kinds import Kind
from app.data.online.publisher import Publisher
from app.data.people import states
from app.data.privacy import erasing
from app.data.segments import edges, store
from app.data.segments.judging import judge_changed
from tests.data.conftest import Put, event

SEGMENTS = "/v1/admin/segments"


class Clock:
    """The clock of the program, which a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2024, 1, 10, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def at(self, days: float) -> datetime:
        """Move so many days on from the tenth of January."""
        self.now = datetime(2024, 1, 10, tzinfo=UTC) + timedelta(days=days)
        return self.now


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(clock, "now", found)
    return found


class Worker:
    """What the worker does about people and segments, when it is told to."""

    def __init__(self, db: Database, settings: Settings, publisher: Publisher, tenant: int) -> None:
        self.db, self._settings, self._publisher, self._tenant = db, settings, publisher, tenant
        self._applier = states.Applier(db, settings, publisher, tenant)

    async def turn(self) -> None:
        """Do everything once, until nothing is left."""
        await self._applier.apply()
        await judge_changed(self.db, self._tenant)
        while await store.wake(self.db, self._tenant, clock.now(), 100):
            pass
        await states.deliver(self.db, self._settings, self._publisher, self._tenant)
        await states.deliver(self.db, self._settings, self._publisher, self._tenant, outbox.PATIENT)

    async def members(self, name: str) -> list[str]:
        rows = await self.db.rows(
            "select distinct i.value from segment_member m join segment s using (tenant, segment_no) "
            "join person_identity i on i.tenant = m.tenant and i.person_no = m.person_no and i.kind = 1 where s.name = :name order by 1",
            name=name,
        )
        return [row[0] for row in rows]

    async def in_redis(self, user: str) -> set[int]:
        (node,) = self._publisher.nodes.known()
        found = packed.read(await node.client.get(facts_key(self._tenant, person_key(self._tenant, 1, user))))
        assert found is not None
        return set(found.segments)

    async def from_scratch(self, name: str) -> list[str]:
        """Return who is in a segment, computed anew from all events of everybody."""
        from app.data.profiles.compute import compute
        from app.data.segments.packing import Packing
        from app.data.segments.programs import Programs

        programs = Programs()
        async with self.db.begin() as connection:
            program, kept = await programs.of(connection, self._tenant)
            people = [row[0] for row in await self.db.rows("select person_no from person where root_no = person_no and person_no > 2")]
            computed = await compute(connection, self._tenant, people, 100, 100)
            values = await Packing(self._settings, programs).values(connection, self._tenant, computed, kept)
        now = clock.now().timestamp()
        inside = {
            state.person_no
            for state, value in zip(computed.states, values, strict=True)
            if program.numbers[name] in program.judge(Seen(person=packed.read(value), now=now, edges=kept))
        }
        rows = await self.db.rows("select person_no, value from person_identity where kind = 1")
        return sorted(value for person, value in rows if person in inside)


@pytest.fixture
async def worker(db: Database, settings: Settings, publisher: Publisher, tenant: int, moved: Clock, catalogue: dict[str, int]) -> Worker:
    return Worker(db, settings, publisher, tenant)


async def publish(http: httpx.AsyncClient, name: str, when: object) -> httpx.Response:
    return await http.put(f"{SEGMENTS}/{name}", json={"when": when})


async def test_a_segment_that_is_published_has_its_people_and_each_event_moves_them(
    http: httpx.AsyncClient, worker: Worker, put: Put, moved: Clock
) -> None:
    for number in range(5):
        await put(event(number, "ann", occurred_at=moved.now - timedelta(hours=number + 1)))
    await put(event(50, "bob", occurred_at=moved.now - timedelta(hours=1)))
    await worker.turn()
    made = await publish(http, "keen", "views.24h > 3")
    assert made.status_code == 200, made.text
    assert [one["message"] for one in made.json()["findings"]] == [
        "Views in the last 24 hours is more than 3.",
        "1 of 2 people meet it now",
    ]
    await worker.turn()
    assert await worker.members("keen") == ["ann"]
    number = (await worker.db.rows("select segment_no from segment"))[0][0]
    assert await worker.in_redis("ann") == {number}
    shown = (await http.get(f"{SEGMENTS}/keen")).json()
    assert (shown["size"], shown["people"], shown["sentence"], shown["ready"]) == (1, 2, "Views in the last 24 hours is more than 3.", True)
    assert shown["when"] == "views.24h > 3"
    assert [one["version"] for one in shown["segments"]] == [1]
    for more in range(4):
        await put(event(60 + more, "bob", occurred_at=moved.now - timedelta(minutes=more)))
    await worker.turn()
    assert await worker.members("keen") == ["ann", "bob"]
    assert await worker.in_redis("bob") == {number}
    person = (await http.get("/v1/admin/people/bob")).json()
    assert person["segments"] == ["keen"]
    assert person["facts"]["views.24h"] == 5
    listed = (await http.get(f"{SEGMENTS}/keen/members", params={"limit": 1})).json()
    after = (await http.get(f"{SEGMENTS}/keen/members", params={"limit": 1, "after": listed["next"]})).json()
    assert sorted(one["user_id"] for one in [*listed["members"], *after["members"]]) == ["ann", "bob"]
    lines = (await http.get(f"{SEGMENTS}/keen/members.csv")).text.splitlines()
    assert lines[0] == "kind,value,since"
    assert sorted(line.rpartition(",")[0] for line in lines[1:]) == ["user_id,ann", "user_id,bob"]


async def test_time_alone_moves_people_at_the_right_moment(http: httpx.AsyncClient, worker: Worker, put: Put, moved: Clock) -> None:
    await put(event(1, "ann", occurred_at=moved.now - timedelta(hours=2)))
    assert (await publish(http, "dormant", "days_since.seen > 30")).status_code == 200
    assert (await publish(http, "recent", "views.7d >= 1")).status_code == 200
    await worker.turn()
    assert (await worker.members("dormant"), await worker.members("recent")) == ([], ["ann"])
    moved.at(30 - 2 / 24 - 1 / 86_400)
    await worker.turn()
    assert (await worker.members("dormant"), await worker.members("recent")) == ([], [])
    moved.at(30 - 2 / 24 + 1 / 86_400)
    await worker.turn()
    assert await worker.members("dormant") == ["ann"]
    assert len(await worker.in_redis("ann")) == 1
    moves = (await http.get(f"{SEGMENTS}/recent/moves")).json()["moves"]
    assert [one["entered"] for one in moves] == [False, True]
    assert await worker.db.rows("select count(*) from person_due") == [(0,)]


async def test_a_changed_condition_judges_everybody_anew_and_a_deleted_segment_has_nobody(
    http: httpx.AsyncClient, worker: Worker, put: Put, moved: Clock
) -> None:
    await put(event(1, "ann", occurred_at=moved.now), event(2, "bob", kind=Kind.CART, occurred_at=moved.now))
    await publish(http, "some", "views >= 1")
    await worker.turn()
    assert await worker.members("some") == ["ann"]
    await publish(http, "some", "cart_adds >= 1")
    await worker.turn()
    assert await worker.members("some") == ["bob"]
    await http.post(f"{SEGMENTS}/some/rollback", json={})
    await worker.turn()
    assert await worker.members("some") == ["ann"]
    assert (await http.delete(f"{SEGMENTS}/some")).status_code == 204
    await worker.turn()
    assert await worker.members("some") == []
    assert await worker.in_redis("ann") == set()


async def test_segments_ask_for_each_other_in_any_order_and_never_in_a_circle(
    http: httpx.AsyncClient, worker: Worker, put: Put, moved: Clock
) -> None:
    await put(event(1, "ann", occurred_at=moved.now), event(2, "bob", kind=Kind.CART, occurred_at=moved.now))
    await publish(http, "viewers", "views >= 1")
    await publish(http, "others", "not segment.viewers")
    missing = await publish(http, "more", "segment.nobody-knows or segment.lost")
    assert missing.status_code == 422
    assert "there is no fact knows" in missing.text or "there is no segment lost" in missing.text
    circle = await publish(http, "viewers", "segment.others or views > 3")
    assert (circle.status_code, circle.json()["errors"][0]["message"]) == (422, "segments would ask for each other in a circle")
    assert (await publish(http, "self", "segment.self")).json()["errors"][0]["message"] == "it asks for itself"
    await worker.turn()
    assert (await worker.members("viewers"), await worker.members("others")) == (["ann"], ["bob"])
    await put(event(3, "bob", occurred_at=moved.now))
    await worker.turn()
    assert (await worker.members("viewers"), await worker.members("others")) == (["ann", "bob"], [])
    refused = await http.delete(f"{SEGMENTS}/viewers")
    assert refused.status_code == 409
    assert "it is named by the segment others. Change these first." in refused.text


async def test_a_list_holds_whom_it_names_and_tells_whom_nobody_knows(
    http: httpx.AsyncClient, worker: Worker, put: Put, moved: Clock
) -> None:
    await put(event(1, "ann", occurred_at=moved.now), event(2, "bob", occurred_at=moved.now))
    await worker.turn()
    assert (await http.put(f"{SEGMENTS}/vips", json={})).status_code == 200
    told = (await http.put(f"{SEGMENTS}/vips/list", content="user_id\nann\nzoe\nann\n")).json()
    assert told == {"people": 1, "unknown": 1, "examples": ["zoe"]}
    await worker.turn()
    assert await worker.members("vips") == ["ann"]
    await http.put(f"{SEGMENTS}/vips/list", content="bob\r\n")
    await worker.turn()
    assert await worker.members("vips") == ["bob"]
    assert (await http.delete(f"{SEGMENTS}/vips")).status_code == 204
    await worker.turn()
    assert await worker.members("vips") == []
    assert (await http.post(f"{SEGMENTS}/vips/rollback", json={})).status_code == 200
    await worker.turn()
    assert await worker.members("vips") == ["bob"]
    assert (await http.put(f"{SEGMENTS}/vips/list", content=b"\xff\xfe")).status_code == 400
    assert (await http.put(f"{SEGMENTS}/vips/list", content="")).status_code == 400
    assert (await http.put(f"{SEGMENTS}/none/list", content="a")).status_code == 404
    await publish(http, "viewers", "views > 0")
    assert (await http.put(f"{SEGMENTS}/viewers/list", content="ann")).status_code == 409


async def test_who_withdraws_consent_or_is_erased_is_in_no_segment(
    http: httpx.AsyncClient, worker: Worker, put: Put, moved: Clock, db: Database, settings: Settings, tenant: int
) -> None:
    await put(event(1, "ann", occurred_at=moved.now), event(2, "bob", occurred_at=moved.now))
    await publish(http, "all", "not known(trait.nothing)")
    await worker.turn()
    assert await worker.members("all") == ["ann", "bob"]
    refused = await http.put("/v1/admin/people/ann/consent", json={"personalisation": False})
    assert refused.status_code < 300, refused.text
    await worker.turn()
    assert await worker.members("all") == ["bob"]
    assert await worker.in_redis("ann") == set()
    assert await erasing.erase(db, settings, tenant, (1, "bob")) is not None
    assert await db.rows("select count(*) from segment_member") == [(0,)]
    assert await db.rows("select count(*) from segment_move where person_no not in (select person_no from person)") == [(0,)]


async def test_what_time_and_events_left_equals_a_computation_from_scratch(
    http: httpx.AsyncClient, worker: Worker, put: Put, moved: Clock
) -> None:
    conditions = {
        "keen": "views.24h > 1 or cart_adds.7d >= 1",
        "asleep": "days_since.seen > 3 and not segment.buyers",
        "buyers": "orders.30d >= 1 and days_since.order < 20",
        "quiet": 'lifecycle = "dormant" or engagement < 5',
    }
    for name in ("keen", "buyers", "asleep", "quiet"):
        assert (await publish(http, name, conditions[name])).status_code == 200
    number = 0
    for day in range(0, 60, 4):
        moved.at(day)
        for user in range(5):
            if (day * 7 + user * 3) % 5 < 2:
                number += 1
                kind = (Kind.VIEW, Kind.CART, Kind.PURCHASE)[(day + user) % 3]
                # some are told late
                late = timedelta(days=(day + user) % 4, minutes=user)
                await put(event(number, f"u{user}", "abc"[user % 3], kind, order_id=f"o{number}", occurred_at=moved.now - late))
        await worker.turn()
        for hours in (7, 31):
            moved.at(day + hours / 24)
            await worker.turn()
            for name in conditions:
                assert await worker.members(name) == await worker.from_scratch(name), (name, day, hours)


async def test_two_ids_that_are_one_person_are_one_member(http: httpx.AsyncClient, worker: Worker, put: Put, moved: Clock) -> None:
    await put(event(1, "ann", occurred_at=moved.now), event(2, "bea", occurred_at=moved.now))
    await publish(http, "viewers", "views >= 1")
    await worker.turn()
    assert await worker.members("viewers") == ["ann", "bea"]
    await put(event(3, occurred_at=moved.now, identities=((1, "ann"), (1, "bea"))))
    await worker.turn()
    assert (await worker.db.rows("select count(*) from segment_member")) in ([(1,)], [(2,)])
    roots = await worker.db.rows(
        "select count(*) from segment_member m join person p using (tenant, person_no) where p.root_no <> p.person_no"
    )
    assert roots == [(0,)]


async def test_an_estimate_tells_the_size_and_what_cannot_be_read(http: httpx.AsyncClient, worker: Worker, put: Put, moved: Clock) -> None:
    await put(event(1, "ann", occurred_at=moved.now), event(2, "bob", kind=Kind.CART, occurred_at=moved.now))
    await worker.turn()
    found = (await http.post(f"{SEGMENTS}/estimate", json={"when": {"fact": "views", "is": ">", "value": 0}})).json()
    assert (found["size"], found["low"], found["high"], found["people"], found["when"]) == (1, 1, 1, 2, "views > 0")
    wrong = await http.post(f"{SEGMENTS}/estimate", json={"when": "veiws > 0"})
    assert (wrong.status_code, wrong.json()["errors"]) == (
        422,
        [{"field": "when", "message": "at character 1: there is no fact veiws; did you mean views?"}],
    )
    hour = await publish(http, "hour", "now.hour > 3")
    assert hour.json()["errors"][0]["message"] == "now.hour is of the moment, which a segment does not know"
    listed = (await http.get("/v1/admin/facts")).json()["facts"]
    assert {"orders", "days_since.open", "trait", "segment"} <= {one["name"] for one in listed}


async def test_edges_of_the_shop_are_counted_once_a_day_and_move_those_who_are_judged_by_them(
    http: httpx.AsyncClient, worker: Worker, put: Put, moved: Clock, db: Database, tenant: int
) -> None:
    for user in range(25):
        for order in range(user + 1):
            await put(
                event(
                    100 * user + order, f"u{user:02}", kind=Kind.PURCHASE, order_id=f"o{user}-{order}",
                    value=10.0, occurred_at=moved.now - timedelta(days=user),
                )
            )  # fmt: skip
    await publish(http, "best", "rfm.frequency = 5")
    await worker.turn()
    by_usual_edges = await worker.members("best")
    assert await edges.refresh(db, tenant)
    await worker.turn()
    assert await worker.members("best") == [f"u{user:02}" for user in range(20, 25)]
    assert len(by_usual_edges) == 20
    assert not await edges.refresh(db, tenant)
    moved.at(2)
    assert await edges.refresh(db, tenant)
