"""Builds the shared resources of a server process, and takes them down again."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.access.directory import AccessDirectory
from app.access.gate import Access
from app.access.limits import Limiter
from app.core import secret
from app.core.db import Database
from app.core.settings import Settings
from app.data.events.intake import Intake
from app.data.events.refusals.service import Refusals
from app.data.people.keys import DataKeys
from app.serving import capacity, record, record_db
from app.serving.door import Server
from app.serving.ladder import Ladder
from app.serving.links import Links
from app.serving.lookup import Lookup
from app.serving.open_letters import doubt_open_letters
from app.serving.people_db import PeopleDatabase
from app.serving.person import People
from app.serving.pinning import Pinning
from app.serving.pipeline import Pipeline
from app.serving.pixel import Pixel
from app.serving.probe import Probe
from app.serving.rank import Ranker
from app.serving.redirect import Redirector
from app.serving.redis.reader import RedisReader
from app.serving.responses import Responses
from app.serving.scoring import Scorer
from app.serving.snapshot.holder import Holder
from app.serving.spool import FOLDER, Spool
from app.serving.writing import Writer


@dataclass
class Resources:
    """What routes find in `app.state`."""

    settings: Settings
    db: Database
    access: Access
    holder: Holder
    server: Server
    ranker: Ranker
    redirector: Redirector
    pixel: Pixel
    responses: Responses
    reader: RedisReader
    intake: Intake
    refusals: Refusals


def public_url(settings: Settings) -> str:
    """Return the address under which links lead to this server, without a slash at the end."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"


@asynccontextmanager
async def resources(settings: Settings) -> AsyncIterator[Resources]:
    """Open everything a server process needs; no database and no cache has to be there."""
    db = Database(settings.database_url, settings.database_pool, connect_timeout=2.0)
    reader = RedisReader(settings.redis_url, settings.redis_timeout_ms)
    limiter = Limiter.connect(settings.redis_url, settings)
    access = Access(settings, db, limiter)

    def on_access(directory: AccessDirectory) -> None:
        access.use(directory)

    holder = Holder(db, settings, on_access)
    lookup = Lookup(reader)
    people_db = PeopleDatabase(db, settings.lookup_timeout_ms)
    people = People(lookup, people_db, default_consent=settings.default_consent)
    scorer = Scorer(settings.scoring_threads)
    links = Links(access)
    serves = record.serves(record_db.write_serves(db))
    own = Spool(settings.data_dir / FOLDER, settings.spool_mb * 1_000_000) if settings.spool_mb else None
    responses = Responses(record_db.write_responses(db, settings), own)
    pipeline = Pipeline(
        settings,
        people,
        Ladder(scorer, lookup, settings),
        Pinning(reader, secret.derive(settings, "pins"), settings.pin_ttl_s),
        Writer(links, public_url(settings)),
        serves,
    )
    keys = DataKeys(settings)
    intake = Intake(db, keys, most_bytes=settings.intake_buffer_mb * 1_000_000, most_ids=settings.person_ids)
    refusals = Refusals(db, keys, most_bytes=settings.refused_mb * 1_000_000)
    hosts = frozenset(host.strip().lower() for host in settings.link_hosts.split(",") if host.strip())
    reader.reconnect()
    await limiter.warm()
    await holder.start()
    # what was loaded stays for good: the collector need not look through it again and again
    gc.collect()
    gc.freeze()
    # requests leave few cycles behind; looking for them after every 700 objects costs more than the answers
    gc.set_threshold(25_000, 20, 50)
    probe = Probe(db, lookup, keys, every_s=settings.probe_every_s, limit_s=settings.probe_limit_s)
    letters = doubt_open_letters(db, reader, settings.refresh_ms)
    background = [
        asyncio.create_task(work)
        for work in (
            holder.follow(),
            letters,
            serves.run(),
            responses.run(),
            capacity.measure(db, settings, holder),
            probe.run(lambda: list(holder.current), settings.data_dir / "probe.lock"),
        )
    ]
    try:
        yield Resources(
            settings,
            db,
            access,
            holder,
            Server(access, holder, pipeline),
            Ranker(people, scorer, settings),
            Redirector(links, holder, responses, hosts),
            Pixel(links, responses),
            responses,
            reader,
            intake,
            refusals,
        )
    finally:
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        await intake.close()
        scorer.close()
        await limiter.close()
        await reader.close()
        await db.close()
