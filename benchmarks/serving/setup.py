"""Shops for the serving benchmark: a catalogue, people with 50 item groups each, models, credentials."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from app.access import service as access
from app.access.domain import ClientKind, KeyKind, Scope
from app.access.schemas import NewClient, NewKey
from app.content.templates import service as templates
from app.core import migrations
from app.core.db import Database
from app.core.embedded import Urls, services
from app.core.ids import DEFAULT_TENANT
from app.core.partitions import ensure_partitions
from app.core.settings import Settings
from app.data.catalogue.service import put_items
from app.data.events.accept import accept
from app.data.events.domain import Event, message_key
from app.data.identity.vault import DataKeys
from app.data.kinds import Kind
from app.decisions.placements import service as placements
from app.decisions.placements.domain import Filter, Placement
from app.ml.popularity.service import refresh_popular

HISTORY = 50
CATEGORIES = 25
# long enough for a queue: how fast scoring is and how many answers miss the deadline are two questions
PATIENT_MS = 10_000


@dataclass(frozen=True)
class Shop:
    """A shop whose database and cache run: settings, where they are, and what is needed to call its server."""

    settings: Settings
    urls: Urls
    client_id: str
    client_secret: str
    items: int
    people: int

    def variables(self) -> dict[str, str]:
        """Return the environment of a process over this shop."""
        return variables(self.settings, self.urls)


def variables(settings: Settings, urls: Urls) -> dict[str, str]:
    """Return the environment of a process over a shop."""
    return {
        "MORSEL_DATABASE_URL": urls.database_url,
        "MORSEL_REDIS_URL": urls.redis_url,
        "MORSEL_DATA_DIR": str(settings.data_dir),
        "MORSEL_MODEL_DIR": str(settings.model_dir),
        "MORSEL_LOG_LEVEL": "error",
    }


@contextmanager
def shop(folder: Path, items: int, people: int, models: tuple[str, ...]) -> Iterator[Shop]:
    """Yield a shop in `folder`, built there unless an earlier run has left it."""
    settings = Settings(data_dir=folder / "data", model_dir=folder / "models", log_level="error")
    kept = folder / "shop.json"
    with services(settings) as urls:
        if not kept.exists():
            migrations.upgrade(urls.database_url)
            client_id, secret = asyncio.run(_build(settings, urls, items, people))
            _run(settings, urls, "rebuild")
            _run(settings, urls, "train", *models, "--holdout-days", "14")
            kept.write_text(json.dumps({"client_id": client_id, "client_secret": secret, "items": items, "people": people}))
        yield Shop(settings, urls, **json.loads(kept.read_text()))


def item(number: int) -> dict[str, object]:
    """Return an item with texts of usual length."""
    return {
        "id": f"sku-{number:06d}",
        "title": f"Washed linen shirt with long sleeves no. {number}",
        "link": f"https://shop.example/p/washed-linen-shirt-{number}",
        "image_link": f"https://img.shop.example/600/{number:06d}.jpg",
        "image_width": 600,
        "image_height": 600,
        "price": f"{10 + number % 90}.90 GBP",
        "brand": f"Brand {number % 40}",
        "category": f"Category {number % CATEGORIES}",
        "availability": "in_stock",
    }


async def _build(settings: Settings, urls: Urls, items: int, people: int) -> tuple[str, str]:
    db = Database(urls.database_url)
    try:
        for start in range(0, items, 2000):
            await put_items(db, settings, DEFAULT_TENANT, [item(n) for n in range(start, min(items, start + 2000))])
        await ensure_partitions(db)
        random = np.random.default_rng(1)
        for start in range(0, people, 500):
            await _people(db, settings, range(start, min(people, start + 500)), items, random)
        await templates.add_defaults(db, DEFAULT_TENANT)
        await placements.add_defaults(db, DEFAULT_TENANT)
        for name, deadline in (("live", PATIENT_MS), ("live-hurried", None)):
            placement = Placement(recommender="als", filter=Filter(exclude_bought=True), deadline_ms=deadline)
            await placements.publish(db, DEFAULT_TENANT, name, placement)
        await refresh_popular(db, DEFAULT_TENANT)
        wanted = NewClient(name="bench", kind=ClientKind.ESP, scopes=[Scope.ADMIN], rate_limit="1000000000/minute")
        made = await access.create_client(db, settings, DEFAULT_TENANT, wanted)
        await access.create_key(db, DEFAULT_TENANT, made.client_id, NewKey(kind=KeyKind.API))
        return made.client_id, made.client_secret or ""
    finally:
        await db.close()


async def _people(db: Database, settings: Settings, numbers: range, items: int, random: np.random.Generator) -> None:
    now, events = datetime.now(UTC), []
    for person in numbers:
        taste = int(random.integers(0, CATEGORIES))
        for step, place in enumerate(random.choice(items // CATEGORIES, HISTORY, replace=False)):
            bought = step % 5 == 0
            events.append(
                Event(
                    now - timedelta(days=float(random.uniform(0.1, 300))),
                    message_key(f"{person}-{step}"),
                    ((1, f"p{person}"),),
                    Kind.PURCHASE if bought else Kind.VIEW,
                    item_id=f"sku-{int(place) * CATEGORIES + taste:06d}",
                    order_id=f"{person}-{step}" if bought else None,
                )
            )
    async with db.begin() as connection:

        async def claim(ids: object) -> set[bytes]:
            return {event.message_id for event in events}

        await accept(connection, DEFAULT_TENANT, events, keys=DataKeys(settings), claim=claim)


def _run(settings: Settings, urls: Urls, *command: str) -> None:
    """Run a `morsel` command as an operator would."""
    environment = {**os.environ, **variables(settings, urls)}
    done = subprocess.run([sys.executable, "-m", "app.cli", *command], env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"morsel {' '.join(command)}: {done.stderr[-2000:]}")
