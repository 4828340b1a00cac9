"""A small generated shop behind the whole application with the demo's page."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx2
import pytest
from fastapi import FastAPI

from app import worker
from app.commands.run.demo_run import SEED, generated, stock
from app.commands.run.startup import add_defaults
from app.core.db import Database
from app.core.embedded import Urls
from app.core.settings import Settings
from app.demo.pages import router
from app.demo.state import Kept
from app.main import create_app

SCALE = 0.005


@dataclass
class Demo:
    """The running application, a client, and what the demo keeps."""

    app: FastAPI
    http: httpx2.AsyncClient
    kept: Kept


async def stocked(settings: Settings) -> Kept:
    """Stock a small shop as `morsel demo` does."""
    await add_defaults(settings.database_url)
    kept = Kept(SEED, SCALE, datetime.now(UTC).isoformat())
    coming = asyncio.get_running_loop().run_in_executor(None, generated, kept)
    await stock(settings, kept, coming, "http://test")
    return kept


@pytest.fixture
async def demo(settings: Settings, db: Database) -> AsyncIterator[Demo]:
    """The demo, answering personally."""
    kept = await stocked(settings)
    app = create_app(settings)
    app.include_router(router)
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(settings, Urls(settings.database_url, settings.redis_url), stop))
    try:
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test") as http,
        ):
            yield Demo(app, http, kept)
    finally:
        stop.set()
        await task
