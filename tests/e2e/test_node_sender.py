"""Segment's own Node library, unchanged: every event is stored, and stored once, also through a kill."""

import asyncio
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from app.core.db import Database
from tests.e2e.test_event_senders import Server, server, stored, until, write_key

__all__ = ["server", "write_key"]
_HERE = Path(__file__).parent / "node_sender"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed: it fetches Segment's Node library"),
]


@pytest.fixture(scope="module")
def sender(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the library in it."""
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", "send.js"):
        shutil.copy(_HERE / name, folder)
    subprocess.run(["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True, timeout=120)
    return folder


def start(sender: Path, server: Server, write_key: str, events: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(["node", "send.js", server.address, write_key, str(events)], cwd=sender, stdout=subprocess.PIPE)


async def ended(process: "subprocess.Popen[bytes]") -> dict[str, object]:
    out, _ = await asyncio.to_thread(process.communicate, None, 280)
    return dict(json.loads(out))


async def test_ten_thousand_events_are_stored_once_each(sender: Path, server: Server, db: Database, write_key: str) -> None:
    told = await ended(start(sender, server, write_key, 10_000))
    assert told == {"delivered": 10_000, "failed": [], "failures": 0}
    assert await stored(db) == (10_000, 10_000)


async def test_ten_thousand_events_survive_a_kill_of_the_server(sender: Path, server: Server, db: Database, write_key: str) -> None:
    process = start(sender, server, write_key, 10_000)

    async def a_part_is_there() -> bool:
        return (await stored(db))[0] >= 1_000

    await until(a_part_is_there)
    await asyncio.to_thread(server.kill)
    assert (await stored(db))[0] < 10_000, "the kill came after the last event"
    await asyncio.to_thread(server.start)
    told = await ended(process)
    assert (told["delivered"], told["failures"]) == (10_000, 0)
    assert await stored(db) == (10_000, 10_000)
