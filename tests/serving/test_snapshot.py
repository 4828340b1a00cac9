"""The catalogue of a snapshot: built a few items at a time, taken over by the next, kept on disk, shared by processes."""

import errno
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from app.core.db import Database
from app.core.ids import DEFAULT_TENANT
from app.core.settings import Settings
from app.data.catalogue.service import put_items
from app.decisions.placements.domain import Filter
from app.serving.snapshot import arena, disk, source
from app.serving.snapshot.building import Rows, build
from app.serving.snapshot.catalogue import Catalogue, Row
from app.serving.snapshot.holder import Holder
from tests.serving.shop import document


def record(number: int, group: int = 0, category: str = "Shoes", **values: Any) -> tuple[Any, ...]:
    given = {"brand": "Acme", "available": True, "price": 10.0 + number, **values}
    raw = orjson.dumps({"id": f"i{number}", "title": f"Item {number}"})
    timed = [given.get(name) for name in ("sale", "begins", "ends", "expires")]
    stock = (given["brand"], given["available"], given["price"], raw, given.get("currency", "GBP"))
    return number, group or number, f"i{number}", "product", category, *stock, *timed, given.get("created", float("nan"))


def catalogue(count: int, folder: Path | None = None, at_once: int = 7) -> Catalogue:
    rows = Rows(folder)
    records = [record(number, number // 2 + 1, ("Shoes", "Hats", "Bags")[number % 3]) for number in range(1, count + 1)]
    for start in range(0, count, at_once):
        rows.add(records[start : start + at_once])
    return build(rows, 0.0)


def said(found: Catalogue) -> list[Any]:
    """Return everything that answers read of a catalogue, by plain values."""
    return [
        (
            found.item_ids[index], int(found.item_no[index]), int(found.group_no[found.group[index]]), found.word("category", index),
            found.word("brand", index), bool(found.available[index]), float(found.price[index]), found.document(index),
            found.index_of[found.item_ids[index]], found.numbers[index], found.place_of[int(found.group_no[found.group[index]])],
        )
        for index in range(len(found))
    ]  # fmt: skip


@pytest.mark.parametrize("at_once", [1, 7, 100])
def test_a_catalogue_is_the_same_however_many_items_come_at_once(tmp_path: Path, at_once: int) -> None:
    assert said(catalogue(40, tmp_path, at_once)) == said(catalogue(40))
    assert catalogue(40, tmp_path, at_once).words["category"] == ["Bags", "Hats", "Shoes"]


@pytest.mark.parametrize("groups", [[1, 2, 5], [3, 4, 9, 10], [1, 2_000_000, 2**31], [7]])
def test_groups_are_found_by_number_however_far_the_numbers_lie_apart(groups: list[int]) -> None:
    rows = Rows()
    rows.add([record(number, group) for number, group in enumerate(groups, 1)])
    found = build(rows, 0.0)
    asked = [-1, 0, *groups, groups[-1] + 1, 2**40, groups[0] - 1]
    assert found.group_index(asked).tolist() == [found.place_of.get(number, -1) for number in asked]


def test_an_empty_catalogue_can_be_built_kept_and_asked(tmp_path: Path) -> None:
    found = build(Rows(tmp_path), 0.0)
    found.prepare()
    assert not found.passing(Filter()).groups.any()
    disk.save(tmp_path, found, {}, {})
    assert len(disk.load(tmp_path)[0]) == 0


def test_documents_lie_in_a_file_without_a_name(tmp_path: Path) -> None:
    found = catalogue(10, tmp_path)
    assert found.documents.in_file
    assert list(tmp_path.iterdir()) == []
    assert found.document(9) == {"id": "i10", "title": "Item 10"}


@pytest.mark.parametrize("told", [True, False])
def test_documents_go_on_in_memory_when_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: bool) -> None:
    writing = arena.Writing(tmp_path)
    writing.write(b"first")
    real = writing._file

    class Full:
        """A file on a full disk: it may keep part of what it refused."""

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        def write(self, data: bytes) -> int:
            written = real.write(data[:2])
            if told:
                raise OSError(errno.ENOSPC, "no space left")
            return written

    monkeypatch.setattr(writing, "_file", Full())
    writing.write(b"second")
    writing.write(b"third")
    found = writing.done()
    assert b"".join(found.pieces()) == b"firstsecondthird"
    assert not found.in_file


def test_a_folder_that_cannot_be_written_does_not_stop_a_catalogue(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert said(catalogue(10, tmp_path / "file")) == said(catalogue(10))


def test_the_next_catalogue_takes_over_what_both_begin_with() -> None:
    before, alone = catalogue(30), catalogue(33)
    before.prepare()
    after = catalogue(33)
    after.take_over(before)
    after.prepare()
    assert said(after) == said(alone)
    assert after.item_ids[0] is before.item_ids[0]
    assert len(before.index_of) == 30, "the earlier one must not learn of items it does not have"
    assert len(before.place_of) == len(before.group_no)


def test_a_catalogue_that_begins_otherwise_takes_nothing_over() -> None:
    before = catalogue(30)
    rows = Rows()
    rows.add([record(number) for number in range(2, 35)])
    after = build(rows, 0.0)
    after.take_over(before)
    assert after.index_of["i2"] == 0


def test_groups_that_moved_are_not_taken_over() -> None:
    """The items stay the same, but one lies in a group of its own now."""
    before = catalogue(30)
    before.prepare()
    rows = Rows()
    rows.add([record(number, 900 if number == 4 else number // 2 + 1) for number in range(1, 31)])
    after = build(rows, 0.0)
    after.take_over(before)
    assert after.place_of == {number: place for place, number in enumerate(after.group_no.tolist())}


def test_a_change_keeps_the_indexes_and_not_what_it_changed() -> None:
    before = catalogue(30)
    before.prepare()
    after = before.with_changes([Row(3, 2, "i3", "product", "Hats", "Acme", False, 99.0, b'{"title": "New"}', "GBP")], 0.0)
    assert after is not None
    assert after.index_of is before.index_of
    assert after.place_of is before.place_of
    assert (after.document(2), bool(after.available[2]), float(after.price[2])) == ({"title": "New"}, False, 99.0)
    assert bool(before.available[2])
    assert not after.passing(Filter()).items[2]
    assert after.cells != before.cells


def test_a_snapshot_comes_back_from_disk_with_its_changes(tmp_path: Path) -> None:
    changed = catalogue(30, tmp_path).with_changes(
        [Row(3, 2, "i3", "product", "Hats", "Acme", False, 99.0, b'{"title": "New"}', "GBP")], 0.0
    )
    assert changed is not None
    disk.save(tmp_path, changed, {"some": "thing"}, {"catalogue": 5})
    found, config, versions = disk.load(tmp_path)
    assert (said(found), config, versions) == (said(changed), {"some": "thing"}, {"catalogue": 5})
    assert found.documents.in_file


@pytest.mark.parametrize("name", ["arena.bin", "price.npy", "texts.npy"])
def test_a_changed_byte_on_disk_is_damage(tmp_path: Path, name: str) -> None:
    disk.save(tmp_path, catalogue(30), {}, {})
    (path,) = tmp_path.glob(f"base-*/{name}")
    raw = bytearray(path.read_bytes())
    raw[-3] ^= 1
    path.write_bytes(raw)
    with pytest.raises(disk.Damaged):
        disk.load(tmp_path)


def test_the_file_on_disk_stands_for_the_same_documents_only(tmp_path: Path) -> None:
    kept = catalogue(30)
    disk.save(tmp_path, kept, {}, {})
    assert disk.share(tmp_path, kept)
    assert kept.documents.in_file
    assert said(kept) == said(catalogue(30))
    for other in (catalogue(29), catalogue(31)):
        assert not disk.share(tmp_path, other)
        assert not other.documents.in_file


async def test_items_come_from_the_database_as_they_were_put(db: Database, settings: Settings, tenant: int, tmp_path: Path) -> None:
    await put_items(db, settings, tenant, [document(number) for number in range(1, 1203)])
    await put_items(db, settings, tenant, [{**document(7), "price": None, "availability": "out_of_stock"}])
    rows, mark = await source.items(db, tenant, tmp_path)
    found = build(rows, 0.0)
    assert len(found) == 1202
    index = found.index_of["i7"]
    assert np.isnan(found.price[index])
    assert not found.available[index]
    assert found.document(found.index_of["i9"])["title"] == "Item 9"
    assert (await source.changed_items(db, tenant, mark, 10))[0] == []


async def test_more_changes_than_wanted_are_not_all_read(db: Database, settings: Settings, tenant: int) -> None:
    _, mark = await source.items(db, tenant)
    await put_items(db, settings, tenant, [document(number) for number in range(50)])
    rows, _ = await source.changed_items(db, tenant, mark, 10)
    assert len(rows) == 11


async def test_a_server_takes_its_own_documents_from_disk_once_they_are_there(db: Database, settings: Settings) -> None:
    await put_items(db, settings, DEFAULT_TENANT, [document(number) for number in range(50)])
    holder = Holder(db, settings, lambda directory: None)
    await holder.start()
    found = holder.current[DEFAULT_TENANT].catalogue
    (path,) = (settings.data_dir.resolve() / "snapshot" / str(DEFAULT_TENANT)).glob("base-*/arena.bin")
    assert path.read_bytes() == b"".join(found.documents.pieces())
    assert found.documents.in_file
    await put_items(db, settings, DEFAULT_TENANT, [{**document(51), "category": "Never seen"}])
    assert await holder.refresh()
    after = holder.current[DEFAULT_TENANT].catalogue
    assert after is not found
    assert after.item_ids[0] is found.item_ids[0]
    assert after.word("category", after.index_of["i51"]) == "Never seen"
