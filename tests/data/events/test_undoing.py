"""`morsel import undo`: nothing of a source is left, what others told stays, and it can be imported anew."""

from pathlib import Path

import pytest

from app.core.db import Database
from app.core.settings import Settings
from app.data.events.formats.mapping import Mapping
from app.data.events.sources.files import import_events
from app.data.imports.files import FileFault
from app.data.kinds import Kind
from app.data.online.publisher import Publisher
from app.data.people import states
from app.data.people.undoing import Undone, undo
from tests.data.conftest import Put, event
from tests.data.people.test_state import state_of

MAPPING = Mapping.model_validate(
    {"columns": {"user_id": "user", "item_id": "item", "occurred_at": "at", "order_id": "o"}, "constants": {"kind": "purchase"}}
)


async def test_an_imported_source_is_taken_back_and_states_follow(
    db: Database, settings: Settings, publisher: Publisher, put: Put, tmp_path: Path, catalogue: dict[str, int]
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("user,item,at,o\nann,a,2024-01-01,o1\nann,b,2024-01-01,o1\nbob,c,2024-01-01,o2\n")

    async def take(source: str) -> int:
        return (await import_events(db, settings, 1, source, [path], MAPPING)).landed

    applier = states.Applier(db, settings, publisher, 1)
    await put(event(1, item="c", kind=Kind.VIEW))
    assert (await take("till"), await take("other")) == (3, 3)
    await applier.apply()
    ann = await state_of(publisher, "ann")
    assert ann is not None
    assert set(ann.bought.tolist()) == {catalogue["a"], catalogue["b"]}
    assert await undo(db, 1, "till") == Undone(events=3, people=2, ledger=3)
    assert await undo(db, 1, "other") == Undone(events=3, people=2, ledger=3)
    await states.deliver(db, settings, publisher, 1)
    ann, bob = await state_of(publisher, "ann"), await state_of(publisher, "bob")
    assert ann is not None
    assert (ann.bought.tolist(), ann.groups.tolist()) == ([], [catalogue["c"]])
    assert bob is None or not len(bob.groups)
    assert (await db.rows("select count(*) from event"))[0][0] == 1
    assert await take("till") == 3
    assert await undo(db, 1, "other") == Undone(0, 0, 0)


async def test_an_unknown_source_is_told_with_those_there_are(db: Database, settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("user,item,at,o\nann,a,2024-01-01,o1\n")
    await import_events(db, settings, 1, "till", [path], MAPPING)
    with pytest.raises(FileFault, match="there is no source tlil; there are: till"):
        await undo(db, 1, "tlil")
