"""Tries a draft on real people through the functions that answer: nothing is recorded, counted or written to Redis."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from app.access.domain import Principal
from app.content.formats import JSON
from app.core.db import Database
from app.core.errors import Unavailable
from app.core.settings import Settings
from app.data.catalogue.store import known_groups
from app.data.people.everyone import Someone, spread
from app.documents import service
from app.documents.kinds import Facts, Kind, named, read
from app.serving.dry_run.pictures import Pictures, pictures
from app.serving.dry_run.report import Answer, Report, Run, Tried, report
from app.serving.edge.parameters import parse
from app.serving.model.call import Call, waking
from app.serving.path.ladder import Ladder
from app.serving.path.lookup import Lookup
from app.serving.path.person import People
from app.serving.path.pinning import Pinning
from app.serving.path.pipeline import Pipeline
from app.serving.path.rungs.scoring import Scorer
from app.serving.record import serves as record
from app.serving.redis.reader import RedisReader
from app.serving.render.writer import Writer
from app.serving.snapshot.holder import Holder
from app.serving.snapshot.snapshot import Snapshot

SECONDS = 10.0
"""So long a dry run may take."""
_MOST_PAGES = 50
# an answer that waits for a busy processor is the same answer
_UNHURRIED = {"deadline_ms": 5_000}


class _Unwritten(Lookup):
    """Reads as serving does and leaves nothing behind."""

    def write(self, *command: Any) -> None:
        """Keep nothing."""


class _Unheard(Pipeline):
    """Answers as serving does, in no figure of what was served."""

    def _finish(self, call: Call) -> None:
        call.written = time.perf_counter()
        self._at_once -= 1
        call.done(call)


class DryRuns:
    """Tries drafts, one after the other."""

    def __init__(self, holder: Holder, pipeline: Pipeline, seconds: float = SECONDS) -> None:
        self._holder, self._pipeline, self._seconds = holder, pipeline, seconds
        self._one = asyncio.Lock()

    async def run(
        self, db: Database, caller: Principal, kind: Kind[Any], name: str, written: Any, facts: Facts | None, people: int,
        asked: Mapping[str, str],
    ) -> Report:  # fmt: skip
        """Try a document, or the newest version for an empty one, on so many people; raises Invalid, NotFound and Unavailable."""
        named(kind, name)
        body = written or (await service.history(db, kind, caller.tenant, name))[0].body
        document, _ = read(kind, body, name)
        findings = await service.check(db, kind, caller.tenant, document, facts, name)
        service.refused(kind, findings, strict=False)
        async with self._one:
            begun = time.monotonic()
            both = await self._pictures(db, caller, kind, name, document.model_dump(mode="json"))
            sample: list[Someone | None] = [None, *await spread(db, caller.tenant, people)]
            tried: list[Tried] = []
            cut = True
            async for some in self._each(caller, both, name if kind.table == "rule" else "", sample, asked):
                tried += some
                if time.monotonic() - begun >= self._seconds:
                    break
            cut = len(tried) < len(sample) * len(both.placements)
            run = Run(kind.table, name, tried, 1 if tried else 0, cut, time.monotonic() - begun, both.notes, findings)
            catalogue = both.after.catalogue
            return report(run, lambda item: (catalogue.item_ids[item], str(catalogue.document(item).get("title", ""))))

    async def _pictures(self, db: Database, caller: Principal, kind: Kind[Any], name: str, body: dict[str, Any]) -> Pictures:
        snapshot = self._holder.current.get(caller.tenant)
        if snapshot is None:
            raise Unavailable("Nothing has been loaded for this tenant yet; try again in a second.", headers={"Retry-After": "1"})
        groups = await known_groups(db, caller.tenant, body.get("blocked", []))
        return await asyncio.to_thread(pictures, snapshot, self._holder.document(caller.tenant), kind, name, body, groups)

    async def _each(
        self, caller: Principal, both: Pictures, rule: str, sample: Sequence[Someone | None], asked: Mapping[str, str]
    ) -> AsyncIterator[list[Tried]]:
        """Give what each person gets in all placements, the people in turns spread over all."""
        pages = {name: _pages(both.after, name) for name in both.placements}
        for number, someone in enumerate(sample):
            found = []
            for name in both.placements:
                given = {**asked, **({someone.parameter: someone.value} if someone is not None else {})}
                if shown := pages[name]:
                    given["item_id"] = shown[number % len(shown)]
                before, after = [await self._answer(caller, one, name, given, rule) for one in (both.before, both.after)]
                found.append(Tried(number, name, before, after))
            yield found

    async def _answer(self, caller: Principal, snapshot: Snapshot, placement: str, given: Mapping[str, str], rule: str) -> Answer:
        call = parse(caller, given, placement, JSON)
        # as with HEAD, nothing is recorded
        call.head, call.snapshot = True, snapshot
        call.received = call.known = call.started = time.perf_counter()
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        call.done = waking(future)
        self._pipeline.begin(call)
        await future
        # whoever asks for a real answer comes first
        await asyncio.sleep(0)
        if call.problem is not None:
            raise call.problem
        return _told(call, rule)


def _pages(snapshot: Snapshot, placement: str) -> list[str]:
    """Return items whose pages a placement that starts from one is tried on: the popular ones; none for the others."""
    placed = snapshot.config.placements.get(placement)
    if placed is None or placed.placement.anchor != "item":
        return []
    catalogue = snapshot.catalogue
    groups = snapshot.popular("", placed.placement.filter)[:_MOST_PAGES].tolist()
    return [catalogue.item_ids[int(catalogue.items_of(group)[0])] for group in groups]


def _told(call: Call, rule: str) -> Answer:
    """Return what of an answer counts."""
    outcome, ruled = call.outcome, call.ruled
    items = tuple(index for index, _, _ in outcome.picks)
    short = len(items) < call.limit or (ruled is not None and ruled.relaxed)
    acting = [one.named.name for one in ruled.plan.rules] if ruled is not None else []
    emptied = tuple(filter(None, ruled.short().split(", "))) if ruled is not None and short else ()
    return Answer(
        items, call.limit, outcome.rung.name, outcome.rung.own and not outcome.rung.fallback, not rule or rule in acting, emptied, short
    )  # fmt: skip


def dry_runs(
    settings: Settings, holder: Holder, people: People, scorer: Scorer, reader: RedisReader, pinning: Pinning, serves: record.Buffer
) -> DryRuns:
    """Return what tries drafts with the parts of a server."""
    patient = settings.model_copy(update=_UNHURRIED)
    return DryRuns(holder, _Unheard(patient, people, Ladder(scorer, _Unwritten(reader), patient), pinning, Writer(None), serves))
