"""People read from PostgreSQL: single late reads close nothing, a failure does, and the answer says which it was."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from app.core.breaker import DOWN, SLOW, Breaker
from app.serving.path.people_db import DatabaseDown, PeopleDatabase


class Database:
    """Answers each read as it is told: a number of seconds to wait, or an error to raise."""

    def __init__(self) -> None:
        self.reads = 0
        self.told: float | Exception = 0.0

    async def rows(self, _sql: str, **_values: Any) -> list[Any]:
        """Answer that nobody is known."""
        self.reads += 1
        if isinstance(self.told, Exception):
            raise self.told
        await asyncio.sleep(self.told)
        return []


async def reason(people: PeopleDatabase, key: bytes = b"k") -> str:
    """Return why a person could not be read, empty when they could."""
    try:
        assert await people.state(1, key) is None
    except DatabaseDown as why:
        return str(why)
    return ""


async def test_single_late_reads_cost_their_people_only() -> None:
    database = Database()
    people = PeopleDatabase(database, 20)  # type: ignore[arg-type]
    for _ in range(3):
        for _ in range(4):
            database.told = 0.5
            assert await reason(people) == SLOW
        database.told = 0.0
        assert await reason(people) == "", "the next one asks, and is answered"


async def test_several_late_reads_in_a_row_and_any_failure_let_the_database_rest() -> None:
    database = Database()
    people = PeopleDatabase(database, 20)  # type: ignore[arg-type]
    database.told = 0.5
    assert [await reason(people) for _ in range(5)] == [SLOW] * 5
    database.told, before = 0.0, database.reads
    assert (await reason(people), database.reads) == (SLOW, before)
    other = PeopleDatabase(database, 20)  # type: ignore[arg-type]
    database.told = OSError("refused")
    assert await reason(other) == DOWN
    database.told, before = 0.0, database.reads
    assert (await reason(other), database.reads) == (DOWN, before)


@pytest.mark.parametrize("how", ["late", "failed"])
def test_after_a_rest_one_read_decides_whether_the_next_begins(how: str) -> None:
    now = SimpleNamespace(at=100.0)
    breaker = Breaker(lambda: now.at)
    for _ in range(5 if how == "late" else 1):
        getattr(breaker, how)()
    assert breaker.closed
    now.at += 1.1
    assert breaker.closed == ""
    assert getattr(breaker, how)() is True
    assert breaker.closed
    now.at += 1.1
    breaker.answered()
    assert breaker.late() is False
    assert breaker.closed == ""
