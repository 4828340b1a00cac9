"""Builds the shared resources of a server process, and takes them down again."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.access.directory import AccessDirectory
from app.access.limits.leases import Limiter
from app.access.runtime import Access
from app.core import secret, tasks
from app.core.db import Database
from app.core.deadline import LONG_CALL_S
from app.core.settings import Settings
from app.data.events.intake import Intake
from app.data.events.refused.service import Refusals
from app.data.identity.purposes import TRACKING, Defaults
from app.data.identity.vault import DataKeys
from app.serving.clickback.clicks import Redirector
from app.serving.clickback.pixel import Pixel
from app.serving.clickback.queue import Responses
from app.serving.clickback.spool import FOLDER, Spool
from app.serving.comparing import Comparer, comparer
from app.serving.dry_run.opening import opened
from app.serving.dry_run.trying import DryRuns, dry_runs
from app.serving.edge.asgi import Server
from app.serving.edge.rank import Ranker
from app.serving.path.ladder import Ladder
from app.serving.path.lookup import Lookup
from app.serving.path.people_db import PeopleDatabase
from app.serving.path.person import People
from app.serving.path.pinning import Pinning
from app.serving.path.pipeline import Pipeline
from app.serving.path.rungs.scoring import Scorer
from app.serving.preview import Previewer, previewer
from app.serving.record import serves as record
from app.serving.record import writers
from app.serving.redis.reader import RedisReader
from app.serving.render.links import Links
from app.serving.render.writer import Writer
from app.serving.snapshot.holder import Holder
from app.serving.watch import capacity
from app.serving.watch.probe import Probe
from app.serving.watch.unconfirmed import doubt_open_letters

# So long a request waits for what another transaction holds.
LOCK_S = 5.0


@dataclass
class Resources:
    """What routes find in `app.state`, and ask for by type (`app.core.resources`)."""

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
    previewer: Previewer
    comparer: Comparer
    dry_runs: DryRuns


def public_url(settings: Settings) -> str:
    """Return the address under which links lead to this server, without a slash at the end."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"


# long: everything is opened here in one order and closed in the reverse
@asynccontextmanager
async def resources(settings: Settings) -> AsyncIterator[Resources]:
    """Open everything a server process needs; no database and no cache has to be there."""
    db = Database(settings.database_url, settings.database_pool, connect_timeout=2.0, lock_timeout_s=LOCK_S, patience_s=LONG_CALL_S)
    # what reads a whole snapshot may take longer than any caller waits
    unhurried = Database(settings.database_url, 2, connect_timeout=2.0)
    reader = RedisReader(settings.redis_url, settings.redis_timeout_ms)
    limiter = Limiter.connect(settings.redis_url, settings)
    access = Access(settings, db, limiter)

    def on_access(directory: AccessDirectory) -> None:
        access.use(directory)

    holder = Holder(unhurried, settings, on_access)
    lookup = Lookup(reader)
    people_db = PeopleDatabase(db, settings.lookup_timeout_ms)
    defaults = Defaults.of(settings)
    people = People(lookup, people_db, default_consent=settings.default_consent, defaults=defaults)
    scorer = Scorer(settings.scoring_threads)
    links = Links(access)
    serves = record.serves(writers.write_serves(db))
    own = Spool(settings.data_dir / FOLDER, settings.spool_mb * 1_000_000) if settings.spool_mb else None
    responses = Responses(writers.write_responses(db, settings), own)
    ladder = Ladder(scorer, lookup, settings)
    pinning = Pinning(reader, secret.derive(settings, "pins"), settings.pin_ttl_s)
    pipeline = Pipeline(settings, people, ladder, pinning, Writer(links, public_url(settings), tracked=defaults.anywhere[TRACKING]), serves)
    keys = DataKeys(settings)
    intake = Intake(db, keys, most_bytes=settings.intake_buffer_mb * 1_000_000, most_ids=settings.person_ids, defaults=defaults)
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
    probe = Probe(unhurried, lookup, keys, every_s=settings.probe_every_s, limit_s=settings.probe_limit_s)
    letters = doubt_open_letters(unhurried, reader, settings.refresh_ms)
    background = [
        asyncio.create_task(work)
        for work in (
            holder.follow(),
            letters,
            serves.run(),
            responses.run(),
            capacity.measure(unhurried, settings, holder),
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
            previewer(settings, holder, people, ladder, pinning, serves),
            comparer(settings, holder, people, scorer, reader, pinning, serves),
            dry_runs(settings, holder, people, scorer, reader, pinning, serves),
        )
    finally:
        await tasks.stop(*background)
        await intake.close()
        scorer.close()
        await limiter.close()
        await reader.close()
        await unhurried.close()
        await db.close()


@asynccontextmanager
async def previewing(settings: Settings, db: Database) -> AsyncIterator[Previewer]:
    """Open what a command needs to show a person's content once, as a server would."""
    async with opened(settings, db) as parts:
        ladder = Ladder(parts.scorer, Lookup(parts.reader), settings)
        yield previewer(settings, parts.holder, parts.people, ladder, parts.pinning, parts.serves)


@asynccontextmanager
async def trying(settings: Settings, db: Database) -> AsyncIterator[DryRuns]:
    """Open what a command needs to try a draft, as a server would."""
    async with opened(settings, db) as parts:
        yield dry_runs(settings, *parts)
