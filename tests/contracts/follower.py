"""What every follower of the log must do; its test inherits `FollowerContract` and says what the story makes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

import pytest

from app.core.db import Database
from app.data.events.accept import accept
from app.data.events.domain import Event
from app.data.events.log import Follower, Position
from app.data.events.store import claim_messages
from app.data.identity.vault import DataKeys
from tests.data.conftest import Put

Read = Callable[[], Awaitable[None]]
Made = Callable[[], Awaitable[Any]]


class Killed(Exception):
    """The process ended here."""


async def nothing_moves(*given: Any) -> None:
    """Stand where the place would move."""
    raise Killed


class FollowerContract:
    """Inherit, name the follower, tell a `story`, and give the fixtures `read` and `made`."""

    name: ClassVar[str]

    def story(self) -> list[list[Event]]:
        """Return three parts, each of other people; what is made of the first `n` is `expected(n)`."""
        raise NotImplementedError

    def expected(self, parts: int) -> Any:
        """Return what the first parts of the story make."""
        raise NotImplementedError

    def meanwhile(self) -> list[Event]:
        """Return events that commit while the third part of the story is still open."""
        return []

    @pytest.fixture
    async def read(self) -> Read:
        """Read to the end of what can be read, as a process that just started."""
        raise NotImplementedError

    @pytest.fixture
    async def made(self) -> Made:
        """Return what the follower made so far."""
        raise NotImplementedError

    async def test_what_a_kill_interrupts_is_made_once(self, read: Read, made: Made, put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
        first, second, third = self.story()
        await put(*first)
        await read()
        assert await made() == self.expected(1)
        await put(*second)
        monkeypatch.setattr(Follower, "move", nothing_moves)
        for _ in range(2):
            with pytest.raises(Killed):
                await read()
        monkeypatch.undo()
        await put(*third)
        await read()
        assert await made() == self.expected(3)

    async def test_a_database_that_was_restored_is_read_from_its_beginning(self, read: Read, made: Made, put: Put, db: Database) -> None:
        first, second, third = self.story()
        await put(*first, *second)
        await read()
        # places of another log, far ahead of this one
        await db.run("update log_position set cluster = 'elsewhere', xid = '999999999'::xid8")
        await put(*third)
        await read()
        assert await made() == self.expected(3)
        kept = await db.rows("select cluster, xid::text::bigint from log_position where reader = :name", name=self.name)
        assert [(row[0] != "elsewhere", row[1] < 999_999_999) for row in kept] == [(True, True)]

    async def test_reading_all_of_it_again_makes_the_same(self, read: Read, made: Made, put: Put, db: Database) -> None:
        for part in self.story():
            await put(*part)
        await read()
        await db.run("delete from log_position")
        await read()
        assert await made() == self.expected(3)

    async def test_a_transaction_that_commits_late_is_not_passed_over(
        self, read: Read, made: Made, put: Put, db: Database, keys: DataKeys, tenant: int
    ) -> None:
        first, second, third = self.story()
        await put(*first, *second)
        await read()
        async with db.begin() as slow:
            await accept(slow, tenant, third, keys=keys, claim=lambda ids: claim_messages(slow, tenant, ids))
            await put(*self.meanwhile())
            await read()
            assert await made() == self.expected(2)
        await read()
        assert await made() == self.expected(3)

    async def test_two_at_once_do_no_harm(self, read: Read, made: Made, put: Put) -> None:
        for part in self.story():
            await put(*part)
        await asyncio.gather(read(), read(), read())
        assert await made() == self.expected(3)

    async def test_nothing_new_moves_nothing(self, read: Read, put: Put, db: Database) -> None:
        await put(*self.story()[0])
        await read()
        where = "select xid::text::bigint, event_no from log_position where reader = :name"
        before = await db.rows(where, name=self.name)
        assert Position(*before[0]) > Position()
        await read()
        assert await db.rows(where, name=self.name) == before
