"""Clicks and opens on their way to PostgreSQL: none lost that reached the disk, none written twice."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from app.core import telemetry
from app.core.db import Database
from app.core.settings import Settings
from app.data.identity.vault import DataKeys
from app.serving.clickback import queue, spool
from app.serving.clickback.queue import Response, Responses, packed, response, unpacked
from app.serving.clickback.spool import Spool
from app.serving.record.writers import write_responses
from app.serving.render.links import Served

SERVED = Served(1, 1_700_000_000, 0, os.urandom(16), 0, "", (1, 2, 3), "spring")
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0"


def some(count: int) -> list[Response]:
    return [response(SERVED, number % 4, AGENT) for number in range(count)]


class Store:
    """Stands for the database: it may be away, refuse one record, or take all; a second write of an id changes nothing."""

    def __init__(self) -> None:
        self.away = False
        self.poison = b""
        self.written: dict[bytes, Response] = {}
        self.calls = 0

    async def __call__(self, batch: list[Response]) -> None:
        self.calls += 1
        if self.away:
            raise ConnectionRefusedError
        if any(one.message_id == self.poison for one in batch):
            raise ValueError("not storable")
        self.written |= {one.message_id: one for one in batch}


@pytest.fixture
def store() -> Store:
    return Store()


def dropped() -> float:
    return telemetry.CLICKS_DROPPED._value.get()


async def tried_again(found: Responses) -> None:
    found._try_at = 0.0
    await found.flush()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


async def test_what_the_database_takes_at_once_leaves_nothing_on_the_disk(store: Store, folder: Path) -> None:
    own = Spool(folder, 1_000_000)
    found = Responses(store, own)
    sent = some(10)
    for one in sent:
        found.add(one)
    await found.flush()
    assert list(store.written.values()) == sent
    assert own.path.stat().st_size == 0
    own.close()
    assert list(folder.iterdir()) == []


async def test_an_outage_costs_nothing_and_order_and_number_stay(store: Store, folder: Path) -> None:
    own = Spool(folder, 10_000_000)
    found = Responses(store, own)
    sent = some(5_000)
    store.away = True
    for first in range(0, 5_000, 1_000):
        for one in sent[first : first + 1_000]:
            found.add(one)
        await tried_again(found)
        assert not found._loose
        assert not found._copied
    store.away = False
    await tried_again(found)
    assert list(store.written.values()) == sent
    assert own.size == 0


async def test_a_disk_that_takes_nothing_keeps_nobody_from_being_written(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    found = Responses(store, Spool(tmp_path / "file", 1_000_000), most=20)
    before = dropped()
    store.away = True
    sent = some(30)
    for one in sent[:15]:
        found.add(one)
    await found.flush()
    for one in sent[15:]:
        found.add(one)
    await tried_again(found)
    store.away = False
    await tried_again(found)
    assert list(store.written.values()) == sent[:20]
    assert dropped() - before == 10


async def test_a_full_device_is_survived(store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a batch is written, then the device is full; the torn half must not spoil what comes after."""
    real, budget = os.write, [300]

    def write(file: int, data: bytes) -> int:
        if budget[0] <= 0:
            raise OSError(28, "No space left on device")
        count = real(file, data[: budget[0]])
        budget[0] -= count
        return count

    own = Spool(folder, 1_000_000)
    found = Responses(store, own)
    store.away = True
    sent = some(40)
    monkeypatch.setattr(spool.os, "write", write)
    for one in sent[:20]:
        found.add(one)
    await found.flush()
    budget[0] = 1_000_000
    for one in sent[20:]:
        found.add(one)
    await tried_again(found)
    store.away = False
    await tried_again(found)
    assert set(store.written) == {one.message_id for one in sent}


async def test_the_disk_is_bounded_and_what_does_not_fit_waits_in_memory(store: Store, folder: Path) -> None:
    own = Spool(folder, 2_000)
    found = Responses(store, own)
    store.away = True
    sent = some(50)
    for one in sent:
        found.add(one)
    await found.flush()
    assert 0 < own.size <= 2_000
    assert found._loose
    store.away = False
    await tried_again(found)
    assert set(store.written) == {one.message_id for one in sent}


async def test_one_record_that_is_refused_holds_up_no_other(store: Store, folder: Path) -> None:
    found = Responses(store, Spool(folder, 1_000_000))
    sent = some(5)
    store.poison = sent[2].message_id
    for one in sent:
        found.add(one)
    await found.flush()
    assert set(store.written) == {one.message_id for one in sent} - {store.poison}


async def test_a_torn_last_line_and_foreign_lines_are_passed_over(store: Store, folder: Path) -> None:
    folder.mkdir()
    sent = some(3)
    whole = b"".join(packed(one) + b"\n" for one in sent)
    (folder / "1-a.jsonl").write_bytes(whole + b"[]\nnull\n{}\n[1,2]\n\xff\n" + packed(sent[0])[:40])
    found = Responses(store, Spool(folder, 1_000_000))
    await found.flush()
    assert list(store.written.values()) == sent
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("place", range(12))
def test_a_line_with_a_wrong_field_is_no_response(place: int) -> None:
    values: list[Any] = [value.hex() if isinstance(value, bytes) else value for value in some(1)[0]]
    values[place] = None
    assert unpacked(queue.orjson.dumps(values)) is None


async def test_files_of_a_living_neighbour_are_left_alone(store: Store, folder: Path) -> None:
    neighbour = Spool(folder, 1_000_000)
    assert neighbour.append([packed(one) for one in some(2)]) == 2
    found = Responses(store, Spool(folder, 1_000_000))
    await found.flush()
    assert store.written == {}
    neighbour.close()
    found._adopt_at = 0.0
    await found.flush()
    assert len(store.written) == 2


async def test_a_database_that_hangs_is_left_and_the_records_stay(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "_WRITE_S", 0.05)

    async def hang(batch: list[Response]) -> None:
        await asyncio.sleep(60)

    own = Spool(folder, 1_000_000)
    found = Responses(hang, own)
    found.add(some(1)[0])
    await found.flush()
    assert own.size > 0


def killed(code: str, argument: str, at: str) -> None:
    """Run a program and kill it once it says a word."""
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(code), argument], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert any(line.strip() == at for line in process.stdout)
        process.send_signal(signal.SIGKILL)


async def test_a_killed_process_loses_nothing_that_reached_the_disk_and_its_successors_write_it_once(
    settings: Settings, db: Database
) -> None:
    folder = settings.data_dir / spool.FOLDER
    code = """
        import asyncio, sys
        from pathlib import Path
        from app.serving.clickback.queue import Responses
        from app.serving.clickback.spool import Spool
        from tests.serving.test_responses import some

        async def away(batch):
            raise ConnectionRefusedError

        async def main():
            found = Responses(away, Spool(Path(sys.argv[1]), 1_000_000))
            asyncio.get_running_loop().create_task(found.run())
            for one in some(100):
                found.add(one)
            while not (found._spool.size and not found._fresh):
                await asyncio.sleep(0.01)
            print("on disk", flush=True)
            await asyncio.sleep(60)

        asyncio.run(main())
    """
    killed(code, str(folder), "on disk")
    (left,) = folder.glob("*.jsonl")
    kept = left.read_bytes()
    for _ in range(2):  # the second time as if the first successor had died between its commit and the deletion
        left.write_bytes(kept)
        found = Responses(write_responses(db, settings), Spool(folder, 1_000_000))
        await found.flush()
        assert not left.exists()
        assert (await db.rows("select count(*), count(distinct message_id) from event"))[0] == (100, 100)


async def test_people_who_withdrew_while_the_click_lay_on_the_disk_are_not_written(settings: Settings, db: Database) -> None:
    for number, consent in ((11, None), (12, 0)):
        await db.run(
            "insert into person (tenant, person_no, root_no, data_key, consent) values (1, :number, :number, :key, :consent)",
            number=number, key=DataKeys(settings).new(number), consent=consent,
        )  # fmt: skip
    found = Responses(write_responses(db, settings), Spool(settings.data_dir / spool.FOLDER, 1_000_000))
    for number in (11, 12, 13):
        found.add(response(SERVED._replace(person_no=number), 1, AGENT))
    await found.flush()
    assert [row[0] for row in await db.rows("select person_no from event")] == [11]


async def test_clicks_are_on_the_disk_within_a_tenth_of_a_second_while_the_database_hangs(folder: Path) -> None:
    hangs = asyncio.Event()

    async def write(batch: list[Response]) -> None:
        hangs.set()
        await asyncio.sleep(60)

    own = Spool(folder, 1_000_000)
    found = Responses(write, own)
    running = asyncio.create_task(found.run())
    found.add(some(1)[0])
    await hangs.wait()
    for number in range(20):
        found.add(some(1)[0])
        await asyncio.sleep(0.15)
        assert own.path.read_bytes().count(b"\n") == number + 2
    running.cancel()
    queue_write, queue._WRITE_S = queue._WRITE_S, 0.1
    try:
        await asyncio.gather(running, return_exceptions=True)
    finally:
        queue._WRITE_S = queue_write


async def test_what_is_appended_while_the_file_is_written_is_not_emptied_with_it(folder: Path) -> None:
    store, own = Store(), Spool(folder, 10_000_000)
    found = Responses(store, own)
    sent = some(300)

    async def write(batch: list[Response]) -> None:
        await asyncio.sleep(0.001)
        await store(batch)

    found._write = write
    running = asyncio.create_task(found.run())
    for one in sent:
        found.add(one)
        await asyncio.sleep(0.002)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert set(store.written) == {one.message_id for one in sent}
    assert own.size == 0


@pytest.mark.parametrize("signal_number", [77, -5, 0, 3])
def test_a_line_with_a_signal_that_nothing_knows_is_no_response(signal_number: int) -> None:
    one = some(2)[1]
    assert unpacked(packed(one)) == one
    assert unpacked(packed(one._replace(signal=signal_number))) is None


async def test_a_block_without_a_lines_end_costs_itself_only(store: Store, folder: Path) -> None:
    folder.mkdir()
    sent = some(4)
    lines = [packed(one) for one in sent]
    (folder / "0-left.jsonl").write_bytes(lines[0] + b"\n" + b"\0" * 3_500_000 + b"\n" + b"\n".join(lines[1:]) + b"\n")
    found = Responses(store, Spool(folder, 1_000_000))
    await found.flush()
    assert set(store.written) == {one.message_id for one in sent}
    assert list(folder.glob("0-left.jsonl")) == []
