"""What the worker does about sends: one step looks at every open send and prewarms a slice of those that need it."""

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from app.core import redis
from app.core.db import Database
from app.core.jobs import Job, Shared
from app.core.logging import log
from app.core.redis import Nodes
from app.core.settings import Settings
from app.sends import domain, store
from app.sends.domain import Move, Send, Status
from app.sends.recipients import audience

if TYPE_CHECKING:
    from app.sends.batch import Target
    from app.sends.recipients.lists import Lists
    from app.sends.warmer import Warmer
    from app.serving.snapshot.holder import Holder

_LEAST_SLICE, _LARGEST_SLICE = 16, 4096
_WAITS = "waits: "
SENDS_S = 1.0


class Prewarmer:
    """Prewarms open sends; holds catalogue and models only while there is one.

    A slice is about a second of work at the rate, so that a cancelled send, a stopped worker or another model is noticed
    within that. After a crash the slice under way is looked at again, and what had been written is found current.
    """

    def __init__(self, db: Database, settings: Settings, nodes: Nodes) -> None:
        self._db = db
        self._settings = settings
        self._nodes = nodes
        self._holder: Holder | None = None
        self._warmer: Warmer | None = None
        self._lists: Lists | None = None
        self._refreshed_at = 0.0
        self._last: dict[tuple[int, int, int], tuple[float, float]] = {}

    async def step(self) -> bool:
        """Do what is due for every open send; True when there is more to do at once.

        Raises when PostgreSQL or Redis is away; the position is kept.
        """
        sends = await store.unfinished(self._db)
        now = datetime.now(UTC)
        for send in sends:
            if now >= send.end_at:
                await self._end(send)
        per_s = self._settings.prewarm_per_s
        due = [send for send in sends if now < send.end_at and not domain.early(send, now, per_s)]
        if not due:
            await self.close()
            return False
        await self._follow()
        return any([await self._turn(send) for send in due])

    async def close(self) -> None:
        """Let go of catalogue, models and threads."""
        if self._warmer is not None:
            self._warmer.close()
        self._holder = self._warmer = self._lists = None
        self._last.clear()

    async def _follow(self) -> None:
        """Keep catalogue, placements and models current."""
        # imported on use: a worker without a send needs neither models nor catalogue
        from app.sends.recipients.lists import Lists
        from app.sends.warmer import Warmer
        from app.serving.snapshot.holder import Holder

        if self._holder is None or self._warmer is None:
            found, self._lists = self._settings, Lists(self._nodes)
            self._warmer = Warmer(
                self._db, self._lists, threads=found.prewarm_threads, per_s=found.prewarm_per_s, default_consent=found.default_consent
            )
            self._holder = Holder(self._db, found, lambda directory: None)
            await self._holder.start()
        elif time.monotonic() - self._refreshed_at > self._settings.refresh_ms / 1000:
            await self._holder.refresh()
        else:
            return
        self._refreshed_at = time.monotonic()

    async def _turn(self, send: Send) -> bool:
        target, missing = self._target(send)
        if target is None:
            await store.set_note(self._db, send, missing)
            return False
        try:
            return await self._moved(send, target)
        except redis.FAULTS as error:
            why = "Redis is away" if isinstance(error, redis.SILENT) else "Redis takes no lists"
            await store.set_note(self._db, send, f"{_WAITS}{why}")
            raise

    async def _moved(self, send: Send, target: "Target") -> bool:
        assert self._lists is not None
        now, kept = datetime.now(UTC), await self._lists.kept(send)
        move, note = domain.next_move(send, target.made_for, kept, now, self._settings.prewarm_per_s)
        if move is Move.BEGIN:
            backlog = await store.backlog(self._db, send.tenant)
            if domain.must_wait(send, backlog.age_s, backlog.first, now, self._settings.prewarm_per_s):
                await store.set_note(self._db, send, f"{_WAITS}events are not in everybody's history yet")
                return False
            begun = await self._begin(send, target, note, now)
            return begun is not None and await self._slice(begun, target, now)
        if send.note.startswith(_WAITS):
            await store.set_note(self._db, send, "")
        return move is Move.GO_ON and await self._slice(send, target, now)

    async def _begin(self, send: Send, target: "Target", note: str, now: datetime) -> Send | None:
        """Begin a pass; None when the send was changed meanwhile.

        The mark comes first: a Redis that is full refuses it, and the pass that could keep nothing is not begun.
        """
        assert self._lists is not None
        people, missing = await audience.settle(self._db, send)
        if missing:
            await store.set_note(self._db, send, f"{_WAITS}{missing}")
            return None
        number = send.pass_no + 1
        await self._lists.mark(send, number, domain.ttl_s(send, now, self._settings.candidates_ttl_s))
        if not await store.begin_pass(self._db, send, people, target.made_for, note):
            return None
        log.info("sends.pass", tenant=send.tenant, send=send.send_no, number=number, why=note or "first")
        fresh = await store.send(self._db, send.tenant, send.send_no)
        return fresh if fresh is not None and fresh.status is Status.WARMING else None

    async def _slice(self, send: Send, target: "Target", now: datetime) -> bool:
        """Prewarm the next people; True when more are left."""
        assert self._warmer is not None
        key, began = (send.tenant, send.send_no, send.pass_no), time.monotonic()
        ttl = domain.ttl_s(send, now, self._settings.candidates_ttl_s)
        limit = max(_LEAST_SLICE, min(_LARGEST_SLICE, int(self._settings.prewarm_per_s)))
        tally, position, last = await self._warmer.slice(send, target, ttl, limit)
        # from the end of this send's slice before: another send that had its turn in between slows this one down
        ended, rate = self._last.get(key, (began, 0.0))
        seconds = max(time.monotonic() - ended, 0.001)
        rate = 0.7 * rate + 0.3 * tally.total() / seconds if rate else tally.total() / seconds
        self._last[key] = (time.monotonic(), rate)
        if last and send.pass_started_at is not None:
            done = send.done - send.strangers + tally.total()
            rate = done / max((datetime.now(UTC) - send.pass_started_at).total_seconds(), 0.001)
        moved = await store.advance(self._db, send, position, tally, rate, last=last)
        if last and moved:
            self._last.pop(key, None)
            log.info("sends.warm", tenant=send.tenant, send=send.send_no, people=send.done + tally.total(), people_per_s=round(rate))
        return not last

    def _target(self, send: Send) -> "tuple[Target | None, str]":
        """Return what lists of this send are made for now, or why there is nothing."""
        from app.sends.batch import Target

        assert self._holder is not None
        snapshot = self._holder.current.get(send.tenant)
        placed = snapshot.config.placements.get(send.placement) if snapshot is not None else None
        if snapshot is None or placed is None:
            return None, f"{_WAITS}there is no placement of this name"
        placement = placed.placement
        if not placement.recommender:
            return None, f"{_WAITS}the placement names no recommender, so nobody has a list of their own"
        model = snapshot.models.get(placement.recommender)
        if model is None:
            return None, f"{_WAITS}{placement.recommender} has no live model"
        if not len(snapshot.catalogue):
            return None, f"{_WAITS}the catalogue is empty"
        wanted = placement.filter
        k = max(self._settings.candidates, placement.count) + len(placement.blocked)
        mask_id = model.mask_id(wanted, snapshot.catalogue)
        target = Target(placement.recommender, model, snapshot.catalogue, wanted, k, placement.least_confidence, model.masks, mask_id)
        return target, ""

    async def _end(self, send: Send) -> None:
        late = "its end came before everybody was warm" if send.status is not Status.WARM else ""
        if await store.close(self._db, send.tenant, send.send_no, Status.OVER, late):
            log.info("sends.over", tenant=send.tenant, send=send.send_no)


def jobs(shared: Shared) -> list[Job]:
    """Return what the worker does about sends."""
    nodes = Nodes(shared.urls.redis_url, timeout_ms=2000)
    prewarmer = Prewarmer(shared.db, shared.settings, nodes)
    shared.closing += [prewarmer.close, nodes.aclose]
    return [Job("sends", prewarmer.step, SENDS_S)]
