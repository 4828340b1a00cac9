"""`morsel` as somebody types it, on the test's own servers and a small shop."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import assembled
from app.core.db import Database
from app.core.settings import Settings, load
from tests.serving.shop import stock


class Line:
    """Runs `morsel` as a marketer would, on the test's own servers."""

    async def run(self, *words: str | Path, status: int = 0) -> tuple[str, str]:
        told = await asyncio.to_thread(CliRunner().invoke, assembled({str(words[0])}), [*map(str, words)])
        assert isinstance(told.exception, SystemExit | None), told.exception
        assert told.exit_code == status, told.output
        return told.stdout, told.stderr

    async def json(self, *words: str | Path) -> Any:
        return json.loads((await self.run(*words))[0])


@asynccontextmanager
async def at_hand(settings: Settings, db: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Stock a shop and let commands of this process find it."""
    await stock(db, settings)
    for name in ("database_url", "redis_url", "data_dir", "model_dir"):
        monkeypatch.setenv(f"MORSEL_{name.upper()}", str(getattr(settings, name)))
    monkeypatch.setenv("MORSEL_LOG_LEVEL", "error")
    load.cache_clear()
    yield
    load.cache_clear()


@pytest.fixture
async def line(settings: Settings, db: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Line]:
    async with at_hand(settings, db, monkeypatch):
        yield Line()
