"""Whatever follows the log keeps one contract, and another follower is a name and a query."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.core.db import Database, driver
from app.core.settings import Settings
from app.data.engagement import jobs
from app.data.events.domain import About, Event, message_key
from app.data.events.log import Follower, Position, unread
from app.data.events.machines import Client
from app.data.kinds import Kind, Signal
from app.data.online.publisher import Publisher
from app.data.people import states
from tests.contracts.follower import FollowerContract, Made, Read
from tests.data.conftest import Put, event
from tests.data.people.test_state import state_of

PEOPLE = ("ann", "bob", "eve")
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def views(user: str, first: int) -> list[Event]:
    return [event(first + number, user=user, item=item) for number, item in enumerate("ab")]


class TestStates(FollowerContract):
    name = "states"

    def story(self) -> list[list[Event]]:
        return [views(user, 10 * number) for number, user in enumerate(PEOPLE)]

    def expected(self, parts: int) -> Any:
        return dict.fromkeys(PEOPLE[:parts], (2, 2))

    def meanwhile(self) -> list[Event]:
        return [event(90, user="ann", item=None, kind=Kind.PAGE)]

    @pytest.fixture
    async def read(self, db: Database, settings: Settings, publisher: Publisher, catalogue: dict[str, int], tenant: int) -> Read:
        async def read() -> None:
            applier = states.Applier(db, settings, publisher, tenant)
            while await applier.apply():
                pass

        return read

    @pytest.fixture
    async def made(self, publisher: Publisher) -> Made:
        async def made() -> dict[str, tuple[int, int]]:
            found = {user: await state_of(publisher, user) for user in PEOPLE}
            return {user: (len(state.groups), int(state.times.sum())) for user, state in found.items() if state is not None}

        return made


def click(user: str, identity: tuple[int, str]) -> Event:
    about = About(Signal.CLICK, user.encode().ljust(16), client=Client.BROWSER)
    return Event(NOON, message_key(f"click of {user}"), (identity,), Kind.CLICK, "Clicked", "a", about=about)


def order(user: str) -> Event:
    at = NOON + timedelta(days=1)
    return Event(at, message_key(f"order of {user}"), ((1, user),), Kind.PURCHASE, "Ordered", "a", order_id=user, quantity=2, value=5.0)


class Attributions(FollowerContract):
    def expected(self, parts: int) -> Any:
        return [(user, 10.0) for user in PEOPLE[:parts]]

    def meanwhile(self) -> list[Event]:
        return [event(90, user="zoe")]

    @pytest.fixture
    async def made(self, db: Database) -> Made:
        async def made() -> list[tuple[str, float]]:
            rows = await db.rows(
                "select i.value, a.value from attribution a join person_identity i using (tenant, person_no) where i.kind = 1 order by 1"
            )
            return [(row[0], row[1]) for row in rows]

        return made


class TestSignals(Attributions):
    name = "signals"

    def story(self) -> list[list[Event]]:
        return [[click(user, (1, user)), order(user)] for user in PEOPLE]

    @pytest.fixture
    async def read(self, db: Database, settings: Settings, catalogue: dict[str, int], tenant: int) -> Read:
        async def read() -> None:
            while await jobs.follow(db, settings, tenant):
                pass

        return read


class TestRegroupedPeople(Attributions):
    """What browsers clicked and people ordered was read long ago; the story is who they turn out to be."""

    name = "regrouped"

    def story(self) -> list[list[Event]]:
        return [[Event(NOON, message_key(f"{user} is"), ((1, user), (2, f"browser of {user}")), name="identify")] for user in PEOPLE]

    @pytest.fixture
    async def read(self, db: Database, settings: Settings, catalogue: dict[str, int], tenant: int, put: Put) -> Read:
        async def read() -> None:
            while await jobs.follow(db, settings, tenant):
                pass

        for user in PEOPLE:
            await put(click(user, (2, f"browser of {user}")), order(user))
        await read()
        return read


TOY = Follower("toy", f"select e.xid::text, e.event_no, e.name from event e where e.tenant = $1 and {unread()} order by e.xid, e.event_no")


class TestToy(FollowerContract):
    """Notes the names of events, in the transaction that moves its place."""

    name = "toy"

    def story(self) -> list[list[Event]]:
        return [[Event(NOON, message_key(user), ((1, user),), name=user)] for user in PEOPLE]

    def expected(self, parts: int) -> Any:
        return list(PEOPLE[:parts])

    def meanwhile(self) -> list[Event]:
        return [Event(NOON, message_key("zoe"), ((1, "zoe"),), name="meanwhile")]

    @pytest.fixture
    async def read(self, db: Database, tenant: int) -> Read:
        await db.run("create table toy (name text primary key)")

        async def read() -> None:
            async with db.begin() as connection:
                rows = await TOY.news(connection, tenant, await TOY.position(connection, tenant))
                for row in rows:
                    await (await driver(connection)).execute("insert into toy values ($1) on conflict do nothing", row[2])
                if rows:
                    await TOY.move(connection, tenant, Position(int(rows[-1][0]), rows[-1][1]))

        return read

    @pytest.fixture
    async def made(self, db: Database) -> Made:
        async def made() -> list[str]:
            return [row[0] for row in await db.rows("select name from toy where name <> 'meanwhile' order by 1")]

        return made
