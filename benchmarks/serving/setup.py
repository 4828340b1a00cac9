"""A shop for the serving benchmark: a catalogue, people with 50 item groups each, models, credentials."""

import asyncio
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from app.access import service as access
from app.access.domain import ClientKind, KeyKind, Scope
from app.access.schemas import NewClient, NewKey
from app.content.templates import service as templates
from app.core import migrations, redis
from app.core.db import Database
from app.core.embedded import Urls
from app.core.ids import DEFAULT_TENANT
from app.core.settings import Settings
from app.data.catalog.service import put_items
from app.data.events.domain import Event, Kind, message_key
from app.data.events.service import accept
from app.data.partitions import ensure_partitions
from app.data.people import jobs, publish
from app.data.people.keys import DataKeys
from app.decisions.placements import service as placements
from app.decisions.placements.domain import Filter, Placement
from app.ml.popularity.service import refresh_popular

HISTORY = 50


@dataclass
class Shop:
    """What the benchmark needs to call a server."""

    client_id: str
    client_secret: str
    api_key: str
    people: int


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
        "category": f"Category {number % 25}",
        "availability": "in_stock",
    }


async def build(settings: Settings, urls: Urls, items: int, people: int) -> Shop:
    """Fill an empty database; people's states reach Redis."""
    db = Database(urls.database_url)
    for start in range(0, items, 2000):
        await put_items(db, settings, DEFAULT_TENANT, [item(n) for n in range(start, min(items, start + 2000))])
    await ensure_partitions(db)
    random = np.random.default_rng(1)
    for start in range(0, people, 500):
        await _people(db, settings, range(start, min(people, start + 500)), items, random)
    await templates.add_defaults(db, DEFAULT_TENANT)
    await placements.add_defaults(db, DEFAULT_TENANT)
    live = Placement(recommender="als", filter=Filter(exclude_bought=True), deadline_ms=5000)
    await placements.publish(db, DEFAULT_TENANT, "live", live)
    await refresh_popular(db, DEFAULT_TENANT)
    client = redis.connect(urls.redis_url, timeout_ms=5000)
    await jobs.rebuild(db, settings, publish.Publisher(client, settings.state_ttl_days), DEFAULT_TENANT)
    await client.aclose()
    wanted = NewClient(name="bench", kind=ClientKind.ESP, scopes=[Scope.ADMIN], rate_limit="1000000000/minute")
    made = await access.create_client(db, settings, DEFAULT_TENANT, wanted)
    key = await access.create_key(db, DEFAULT_TENANT, made.client_id, NewKey(kind=KeyKind.API))
    await db.close()
    return Shop(made.client_id, made.client_secret or "", key.key, people)


async def _people(db: Database, settings: Settings, numbers: range, items: int, random: np.random.Generator) -> None:
    now, events = datetime.now(UTC), []
    for person in numbers:
        taste = int(random.integers(0, 25))
        for step, place in enumerate(random.choice(items // 25, HISTORY, replace=False)):
            bought = step % 5 == 0
            events.append(
                Event(
                    now - timedelta(days=float(random.uniform(0.1, 300))),
                    message_key(f"{person}-{step}"),
                    ((1, f"p{person}"),),
                    Kind.PURCHASE if bought else Kind.VIEW,
                    item_id=f"sku-{int(place) * 25 + taste:06d}",
                    order_id=f"{person}-{step}" if bought else None,
                )
            )
    async with db.begin() as connection:

        async def claim(ids: object) -> set[bytes]:
            return {event.message_id for event in events}

        await accept(connection, DEFAULT_TENANT, events, keys=DataKeys(settings), claim=claim)


def prepare(settings: Settings, urls: Urls, items: int, people: int) -> Shop:
    """Migrate, fill, and train as an operator would."""
    migrations.upgrade(urls.database_url)
    shop = asyncio.run(build(settings, urls, items, people))
    environment = {**os.environ, **variables(settings, urls)}
    command = [sys.executable, "-m", "app.cli", "train", "als", "personal", "item_to_item", "--holdout-days", "14"]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return shop


def variables(settings: Settings, urls: Urls) -> dict[str, str]:
    """Return the environment of a process over this shop."""
    return {
        "MORSEL_DATABASE_URL": urls.database_url,
        "MORSEL_REDIS_URL": urls.redis_url,
        "MORSEL_DATA_DIR": str(settings.data_dir),
        "MORSEL_MODEL_DIR": str(Path(settings.model_dir)),
        "MORSEL_LOG_LEVEL": "error",
        "MORSEL_REFRESH_MS": "1000",
    }
