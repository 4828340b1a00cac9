"""What every source of events must do; its test inherits `SourceContract` and sends through the source's own door."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import pytest

from app.core.db import Database, driver
from app.data.events import store


class Told(NamedTuple):
    """What a source says of what was sent: numbers of things stored and known before, and the place and reason of each refused one."""

    landed: int
    duplicates: int
    refused: list[tuple[int, str]]


class Lost(Exception):
    """Nothing of it was stored, and the sender knows."""


Send = Callable[[Sequence[Any]], Awaitable[Told]]
Replay = Callable[[Sequence[Any]], Awaitable[None]]


class SourceContract:
    """Inherit, say what is `good`, `bad` and `mended`, and give the fixtures `send` and `replay`."""

    twice_in_one: ClassVar[int] = 1
    """How often a thing lands that is twice in what is sent at once: rows of one file that are equal are two things that happened."""

    def good(self, number: int) -> Any:
        """Return a thing that becomes one event, another one for each number."""
        raise NotImplementedError

    def bad(self) -> Any:
        """Return a thing that is refused."""
        raise NotImplementedError

    def mended(self) -> Any:
        """Return the bad thing put right."""
        raise NotImplementedError

    @pytest.fixture
    async def send(self) -> Send:
        """Send things at once; raises Lost."""
        raise NotImplementedError

    @pytest.fixture
    async def replay(self) -> Replay:
        """Put the refused thing right in the way of the source; given all that was sent, with the bad thing mended."""
        raise NotImplementedError

    async def test_what_is_sent_again_lands_once(self, send: Send, db: Database) -> None:
        first = await send([self.good(1), self.good(2)])
        assert (first.landed, first.duplicates) == (2, 0)
        again = await send([self.good(2), self.good(3), self.good(1)])
        assert (again.landed, again.duplicates) == (1, 2)
        assert await stored(db) == 3

    async def test_what_is_twice_in_one_lands_as_often_as_it_happened(self, send: Send, db: Database) -> None:
        told = await send([self.good(1), self.good(1)])
        assert told.landed + told.duplicates == 2
        assert (told.landed, await stored(db)) == (self.twice_in_one, self.twice_in_one)
        assert (await send([self.good(1), self.good(1)])).landed == 0

    async def test_a_bad_one_is_told_with_its_place_and_reason_and_costs_no_other(self, send: Send, db: Database) -> None:
        told = await send([self.good(1), self.bad(), self.good(2)])
        assert (told.landed, [place for place, _ in told.refused]) == (2, [1])
        assert told.refused[0][1]
        assert await stored(db) == 2

    async def test_what_a_crash_between_claim_and_row_took_lands_when_it_is_sent_again(
        self, send: Send, db: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        add = store.add

        async def die(connection: Any, records: Any) -> None:
            await (await driver(connection)).execute("select pg_terminate_backend(pg_backend_pid())")

        monkeypatch.setattr(store, "add", die)
        with pytest.raises(Lost):
            await send([self.good(1), self.good(2)])
        monkeypatch.setattr(store, "add", add)
        assert await stored(db) == 0
        assert (await send([self.good(1), self.good(2)])).landed == 2
        assert (await send([self.good(1), self.good(2)])).landed == 0
        assert await stored(db) == 2

    async def test_the_same_sent_at_the_same_moment_lands_once(self, send: Send, db: Database) -> None:
        await asyncio.gather(*(send([self.good(1), self.good(2)]) for _ in range(4)), return_exceptions=True)
        assert await stored(db) == 2

    async def test_what_was_refused_can_be_put_right_once(self, send: Send, replay: Replay, db: Database) -> None:
        await send([self.good(1), self.bad(), self.good(2)])
        mended = [self.good(1), self.mended(), self.good(2)]
        await replay(mended)
        assert await stored(db) == 3
        await replay(mended)
        assert await stored(db) == 3


async def stored(db: Database) -> int:
    """Return how many events there are."""
    return int((await db.rows("select count(*) from event"))[0][0])
