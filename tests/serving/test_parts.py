"""Parts of a snapshot: another one is an entry, read when its area changes, kept on disk, loaded and warmed with the others."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from app.core import changes
from app.core.db import Database
from app.core.parts import Part, Picture
from app.core.settings import Settings
from app.data.catalogue.service import put_items
from app.decisions.placements import service as placements
from app.decisions.placements.domain import Placement
from app.serving.snapshot import parts
from app.serving.snapshot.holder import Holder
from tests.serving.shop import document

ROOT = Path(__file__).resolve().parents[2]


class Room:
    """A room with a part: what it says, how often it was read, and what was warmed."""

    def __init__(self, area: str = "toy") -> None:
        self.says, self.read, self.warmed = ["one"], 0, Counter[str]()
        self.part = Part("toys", (area,), self._read, self._load, self._warm)

    async def _read(self, db: Database, tenant: int) -> list[str]:
        self.read += 1
        return self.says

    @staticmethod
    def _load(words: Any) -> frozenset[str]:
        return frozenset(words or ())

    def _warm(self, loaded: frozenset[str], picture: Picture) -> None:
        self.warmed.update(loaded)


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Room:
    found = Room()
    monkeypatch.setattr(parts, "PARTS", (*parts.PARTS, found.part))
    return found


def holder_of(db: Database, settings: Settings) -> Holder:
    return Holder(db, settings, lambda directory: None)


async def bump(db: Database, tenant: int, area: str) -> None:
    async with db.begin() as connection:
        await changes.bump(connection, tenant, area)


async def test_a_part_is_one_entry_and_is_read_when_its_own_area_changes(room: Room, db: Database, settings: Settings, tenant: int) -> None:
    holder = holder_of(db, settings)
    await holder.start()
    assert holder.current[tenant].config.of(room.part) == {"one"}
    assert (room.read, room.warmed["one"]) == (1, 1)
    room.says = ["two"]
    await placements.publish(db, tenant, "home", Placement())
    assert await holder.refresh()
    assert "home" in holder.current[tenant].config.placements
    assert (room.read, holder.current[tenant].config.of(room.part)) == (1, {"one"})
    await bump(db, tenant, "toy")
    assert await holder.refresh()
    assert (room.read, holder.current[tenant].config.of(room.part)) == (2, {"two"})
    assert room.warmed["two"] == 1
    before = holder.current[tenant]
    assert await holder.refresh()
    assert holder.current[tenant] is before


async def test_a_part_comes_from_the_disk_while_the_database_is_away(room: Room, db: Database, settings: Settings, tenant: int) -> None:
    await put_items(db, settings, tenant, [document(1)])
    await holder_of(db, settings).start()
    room.says = ["never read"]
    away = Database("postgresql://nobody@127.0.0.1:1/none", connect_timeout=0.2)
    holder = holder_of(away, settings)
    await holder.start()
    assert holder.current[tenant].config.of(room.part) == {"one"}
    assert room.warmed["one"] == 2
    await away.close()


async def test_a_picture_that_is_older_than_a_part_is_loaded_without_it_and_then_filled(
    db: Database, settings: Settings, tenant: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put_items(db, settings, tenant, [document(1)])
    await holder_of(db, settings).start()
    room = Room("content")
    monkeypatch.setattr(parts, "PARTS", (*parts.PARTS, room.part))
    away = Database("postgresql://nobody@127.0.0.1:1/none", connect_timeout=0.2)
    old = holder_of(away, settings)
    await old.start()
    assert old.current[tenant].config.of(room.part) == frozenset()
    await away.close()
    fresh = holder_of(db, settings)
    await fresh.start()
    assert fresh.current[tenant].config.of(room.part) == {"one"}


def test_every_area_that_changes_is_followed_and_every_part_follows_one() -> None:
    texts = "".join(path.read_text() for path in (ROOT / "app").rglob("*.py"))
    bumped = set(re.findall(r'changes\.bump\([^()]*, "(\w+)"\)', texts))
    followed = {area for part in parts.PARTS for area in part.areas}
    assert {"content", "models", "popular"} <= followed
    assert followed <= bumped
    assert bumped - followed <= {"catalogue", "access", "revocations"}
