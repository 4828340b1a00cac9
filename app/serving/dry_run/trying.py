"""Tries a draft on real people or requests through the functions that answer: nothing is recorded, counted or written to Redis."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from app.access.domain import Principal
from app.content.formats import JSON
from app.core.db import Database
from app.core.errors import Unavailable
from app.core.settings import Settings
from app.data.catalogue.store import known_groups
from app.data.people.everyone import Someone, spread
from app.serving.dry_run import blocks
from app.serving.dry_run.asking import Ask, Asked, Draft, Going
from app.serving.dry_run.pictures import Pictures, pictures
from app.serving.dry_run.report import Answer, Report, Tried, report
from app.serving.dry_run.requests import recorded
from app.serving.dry_run.told import Replayed, Run
from app.serving.edge.parameters import parse
from app.serving.model.call import Call, guarded, waking
from app.serving.path.ladder import Ladder
from app.serving.path.lookup import Lookup
from app.serving.path.person import People
from app.serving.path.pinning import Pinning
from app.serving.path.pipeline import Pipeline
from app.serving.path.place import place
from app.serving.path.rungs.scoring import Scorer
from app.serving.record import serves as record
from app.serving.redis.reader import RedisReader
from app.serving.render.writer import Writer
from app.serving.snapshot.holder import Holder
from app.serving.snapshot.snapshot import Snapshot

_MOST_PAGES = 50
# an answer that waits for a busy processor is the same answer
_UNHURRIED = {"deadline_ms": 5_000}
_LONGEST_REST_S = 0.2


class _Unwritten(Lookup):
    """Reads as serving does and leaves nothing behind."""

    def write(self, *command: Any) -> None:
        """Keep nothing."""


class _Unheard(Pipeline):
    """Answers as serving does, in no figure of what was served, and to sends and campaigns anew: no pin is read or kept."""

    @guarded
    def _place(self, call: Call) -> None:
        place(call, self._settings)
        call.pin_key = ""
        if call.closed:
            self._choose(call)
        else:
            self._people.find(call, self._choose)

    def _finish(self, call: Call) -> None:
        call.written = time.perf_counter()
        self._at_once -= 1
        call.done(call)


class _Moment:
    """What rules take for the present: the moment of a recorded request, else now."""

    at = 0.0

    def __call__(self) -> float:
        return self.at or time.time()


class _Sample(NamedTuple):
    """The requests to make, in groups that are made whole or not at all, and what was recorded where they come from there."""

    groups: Sequence[Sequence[Asked]]
    notes: Sequence[str] = ()
    replayed: Replayed | None = None


class DryRuns:
    """Tries drafts, one after the other."""

    def __init__(self, holder: Holder, pipeline: Pipeline) -> None:
        self._holder, self._pipeline = holder, pipeline
        self._one = asyncio.Lock()

    async def run(self, db: Database, caller: Principal, draft: Draft, ask: Ask, going: Going | None = None) -> Report | blocks.Blocks:
        """Try a draft; raises Unavailable."""
        going = going or Going()
        async with self._one:
            begun, moment = time.monotonic(), _Moment()
            both = await self._pictures(db, caller, draft, ask, moment)
            sample = await self._sample(db, caller.tenant, both, ask)
            if sample.replayed is not None and sample.groups:
                await asyncio.to_thread(both.turn, sample.groups[0][0].at)
            going.all = len(sample.groups)
            tried: list[Any] = []
            for group in sample.groups:
                started = time.monotonic()
                for one in group:
                    moment.at = one.at
                    tried += await self._try(caller, both, draft, one)
                going.done += 1
                if going.stopped or time.monotonic() - begun >= going.seconds:
                    break
                await _rest(time.monotonic() - started, going.busy)
            cut, seconds = going.done < going.all, time.monotonic() - begun
            notes = [*both.notes, *sample.notes]
        strangers = len({one.person for group in sample.groups[: going.done] for one in group if one.person < 0})
        run = Run(draft.table, draft.name, tried, strangers, cut, seconds, notes, draft.findings, sample.replayed)
        if draft.table == "template":
            return blocks.report(run)
        catalogue = both.after.catalogue
        return report(run, lambda item: (catalogue.item_ids[item], str(catalogue.document(item).get("title", ""))))

    async def _pictures(self, db: Database, caller: Principal, draft: Draft, ask: Ask, moment: _Moment) -> Pictures:
        snapshot = self._holder.current.get(caller.tenant)
        if snapshot is None:
            raise Unavailable("Nothing has been loaded for this tenant yet; try again in a second.", headers={"Retry-After": "1"})
        groups = await known_groups(db, caller.tenant, draft.body.get("blocked", []))
        since = ask.begins if ask.on == "requests" and ask.begins is not None else datetime.now(UTC)
        return await asyncio.to_thread(pictures, snapshot, self._holder.document(caller.tenant), draft, groups, moment, since)

    async def _sample(self, db: Database, tenant: int, both: Pictures, ask: Ask) -> _Sample:
        if ask.on == "people":
            return _Sample(_of_people([None, *await spread(db, tenant, ask.people)], both, ask.said))
        assert ask.begins is not None
        assert ask.ends is not None
        found = await recorded(db, tenant, ask.begins, ask.ends, both.numbers(), ask.most, ask.said)
        notes = [f"{found.gone:,} requests are of people who are known no more: they were asked as strangers."] if found.gone else []
        replayed = Replayed(begins=ask.begins, ends=ask.ends, recorded=found.of_all)
        return _Sample([[one] for one in found.asked], notes, replayed)

    async def _try(self, caller: Principal, both: Pictures, draft: Draft, one: Asked) -> Sequence[Any]:
        call = await self._answer(caller, both.before, one)
        if draft.table == "template":
            return await asyncio.to_thread(blocks.drawn, call, one.person, draft.name, both.before.config, both.after.config)
        after = await self._answer(caller, both.after, one)
        rule = draft.name if draft.table == "rule" else ""
        return [Tried(one.person, one.placement, _told(call, rule), _told(after, rule))]

    async def _answer(self, caller: Principal, snapshot: Snapshot, one: Asked) -> Call:
        call = parse(caller, one.given, one.placement, JSON)
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
        return call


async def _rest(worked: float, busy: float) -> None:
    """Leave the processor to others for as long as it takes to be busy for no more than such a part of the time."""
    if busy < 1:
        await asyncio.sleep(min(_LONGEST_REST_S, worked * (1 / busy - 1)))


def _of_people(people: Sequence[Someone | None], both: Pictures, said: Mapping[str, str]) -> list[list[Asked]]:
    """Return what each person asks in all placements, a group a person; None is a stranger."""
    pages = {name: _pages(both.after, name) for name in both.placements}
    groups = []
    for number, someone in enumerate(people):
        person = {someone.parameter: someone.value} if someone is not None else {}
        group = []
        for name in both.placements:
            page = {"item_id": pages[name][number % len(pages[name])]} if pages[name] else {}
            group.append(Asked(number if someone is not None else -1, name, {**said, **person, **page}))
        groups.append(group)
    return groups if both.placements else []


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
