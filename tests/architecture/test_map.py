"""The map of the house is true, and adding a thing takes one entry: a toy one of each goes in through the public seams."""

import asyncio
import re
from pathlib import Path

import pytest
from pydantic import Field

from app import worker
from app.core.db import Database
from app.core.embedded import Urls
from app.core.jobs import Job, Shared, house
from app.core.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


def rooms() -> set[str]:
    """Return the folders of the program; recommenders, one folder each, are one kind."""
    found = {str(path.parent.relative_to(ROOT / "app")) for path in (ROOT / "app").rglob("__init__.py")} - {"."}
    return {folder for folder in found if not folder.startswith("ml/recommenders/")}


def test_the_map_names_every_folder_and_no_other() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    table = text[text.index("## Rooms") : text.index("## The way of an answer")]
    assert set(re.findall(r"^\| `([a-z_/]+)` \|", table, re.M)) == rooms()


def test_the_map_leads_to_files_that_exist() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    for folder, files in re.findall(r"^\| `([a-z_/]+)` \| [^|]* \| ([^|]*) \|", text, re.M):
        for name in re.findall(r"`([a-z_]+\.py)`", files):
            assert (ROOT / "app" / folder / name).is_file(), f"{folder}/{name}"


def test_what_the_page_on_adding_names_exists() -> None:
    for path in re.findall(r"`((?:app|tests)/[a-z_/.]+)`", (ROOT / "docs" / "adding.md").read_text()):
        assert (ROOT / path).exists(), path


async def test_a_job_of_the_worker_is_one_entry(settings: Settings, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = asyncio.Event()

    async def turn() -> None:
        turns.set()

    class Room:
        @staticmethod
        def jobs(shared: Shared) -> list[Job]:
            assert shared.settings is settings
            return [house("toy", turn)]

    monkeypatch.setattr(worker, "ROOMS", (*worker.ROOMS, Room))
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(settings, Urls(settings.database_url, settings.redis_url), stop))
    async with asyncio.timeout(20):
        await turns.wait()
    stop.set()
    await task


def test_a_setting_is_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    class More(Settings):
        toy: int = Field(3, description="A toy.")

    monkeypatch.setenv("MORSEL_TOY", "5")
    assert More().toy == 5
