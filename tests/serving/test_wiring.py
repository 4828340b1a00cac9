"""Routes ask for resources by type, and a database that goes in the middle of the first snapshot costs a look, not the server."""

from dataclasses import fields
from typing import Any, get_type_hints

import pytest

import app.main  # noqa: F401 - every room has asked by then
from app.core.db import Database, driver
from app.core.resources import NAMES
from app.core.settings import Settings
from app.data.catalogue.service import put_items
from app.serving.snapshot import source
from app.serving.snapshot.holder import Holder
from app.wiring import Resources
from tests.serving.shop import document


def test_every_resource_that_a_route_asks_for_is_one_of_the_server_with_its_type() -> None:
    held = {one.name: get_type_hints(Resources)[one.name] for one in fields(Resources)}
    assert NAMES.keys() <= held.keys()
    assert {name: held[name] for name in NAMES} == NAMES
    assert {"db", "settings", "intake", "refusals", "previewer"} <= NAMES.keys()


class Cut:
    """A connection that the server ends after the first rows of a cursor."""

    def __init__(self, below: Any, other: Database) -> None:
        self._below, self._other = below, other

    async def cursor(self, *given: Any) -> "Cut":
        self._rows, self._given = await self._below.cursor(*given), 0
        return self

    async def fetch(self, count: int) -> Any:
        self._given += 1
        if self._given == 2:
            await self._other.rows("select pg_terminate_backend(:pid)", pid=self._below.get_server_pid())
        return await self._rows.fetch(count)


async def test_a_connection_that_is_cut_in_the_middle_of_the_first_snapshot_costs_one_look(
    db: Database, settings: Settings, tenant: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put_items(db, settings, tenant, [document(number) for number in range(700)])
    other = Database(settings.database_url)

    async def cut(connection: Any) -> Cut:
        return Cut(await driver(connection), other)

    monkeypatch.setattr(source, "driver", cut)
    holder = Holder(db, settings, lambda directory: None)
    await holder.start()
    assert (holder.ready, holder.confirmed_at) == (False, 0.0)
    monkeypatch.setattr(source, "driver", driver)
    assert await holder.refresh()
    assert len(holder.current[tenant].catalogue) == 700
    await other.close()


async def test_a_schema_of_another_release_ends_no_server(db: Database, settings: Settings) -> None:
    await db.run("alter table change rename to changed")
    holder = Holder(db, settings, lambda directory: None)
    await holder.start()
    assert not holder.ready
    await db.run("alter table changed rename to change")
    assert await holder.refresh()
