"""What answers outside of a server, as a command and the worker need it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from app.core import secret
from app.core.db import Database
from app.core.settings import Settings
from app.data.identity.purposes import Defaults
from app.serving.path.lookup import Lookup
from app.serving.path.people_db import PeopleDatabase
from app.serving.path.person import People
from app.serving.path.pinning import Pinning
from app.serving.path.rungs.scoring import Scorer
from app.serving.record import serves as record
from app.serving.record import writers
from app.serving.redis.reader import RedisReader
from app.serving.snapshot.holder import Holder

_PATIENCE_MS = 2_000
"""So long an answer waits for Redis and PostgreSQL that no caller of a shop waits for."""


class Parts(NamedTuple):
    """What answers are made with, as in a server."""

    holder: Holder
    people: People
    scorer: Scorer
    reader: RedisReader
    pinning: Pinning
    serves: record.Buffer


@asynccontextmanager
async def opened(settings: Settings, db: Database) -> AsyncIterator[Parts]:
    """Open the parts, with the picture of the shop as it is now."""
    reader = RedisReader(settings.redis_url, max(_PATIENCE_MS, settings.redis_timeout_ms))
    holder, scorer = Holder(db, settings, lambda _: None), Scorer(settings.scoring_threads)
    reader.reconnect()
    await holder.start()
    try:
        people_db = PeopleDatabase(db, max(_PATIENCE_MS, settings.lookup_timeout_ms))
        people = People(Lookup(reader), people_db, default_consent=settings.default_consent, defaults=Defaults.of(settings))
        pinning = Pinning(reader, secret.derive(settings, "pins"), settings.pin_ttl_s)
        yield Parts(holder, people, scorer, reader, pinning, record.serves(writers.write_serves(db)))
    finally:
        scorer.close()
        await reader.close()
