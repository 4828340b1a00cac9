"""Every table has owners: who may write it and who may read it stands in one file."""

import tomllib

from tests.architecture.table_owners import OWNERS, matrix, tables


def test_only_its_owners_touch_a_table() -> None:
    allowed = tomllib.loads(OWNERS.read_text())
    strangers = {
        f"{room} {what} {table}"
        for table, rooms in matrix().items()
        for what in ("writes", "reads")
        for room in rooms[what]
        if room not in allowed.get(table, {}).get(what, []) and not (what == "reads" and room in allowed.get(table, {}).get("writes", []))
    }
    assert strangers == set(), "go through the owner's store, or, with a reason, enter the room in tests/architecture/tables.toml"


def test_no_room_keeps_a_right_that_it_does_not_use() -> None:
    used = matrix()
    idle = {
        f"{room} {what} {table}"
        for table, rooms in tomllib.loads(OWNERS.read_text()).items()
        for what in ("writes", "reads")
        for room in rooms[what]
        if room not in used.get(table, {}).get(what, [])
    }
    assert idle == set(), "the matrix may only shrink: take it out of tests/architecture/tables.toml"


def test_every_table_has_an_owner() -> None:
    unowned = tables() - {table for table, rooms in tomllib.loads(OWNERS.read_text()).items() if rooms["writes"]}
    assert unowned == {"event_default", "serve_default", "tenant"}, "partitions, and what only the migrations fill"
