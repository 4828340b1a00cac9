"""Prewarms a slice of an audience: who needs a list is looked up in bulk, scored in threads of their own, and written in pipelines."""

import asyncio
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, RuntimeException

from app.core import clock, ids
from app.core.db import Database
from app.core.logging import log
from app.sends import batch, store
from app.sends.batch import Target
from app.sends.domain import Send
from app.sends.recipients.lists import Lists
from app.sends.store import Recipient, Tally

_CHUNK = 512
# What serving calls a fault of the model too: the person is counted as failed, and the pass goes on.
_FAULTS = (Fail, InvalidArgument, RuntimeException, ValueError, IndexError)
_LOOK_COST = 0.1
_CREDIT_S = 0.25
_NICER = 5


class Pace:
    """Spreads work evenly so that it never exceeds a rate; all sends share one."""

    def __init__(self, per_s: float) -> None:
        self.per_s = per_s
        self._free_at = 0.0

    async def take(self, cost: float) -> None:
        """Wait until `cost` people may be worked on."""
        now = asyncio.get_running_loop().time()
        # what was lost between two slices is made up for
        begin = max(now - _CREDIT_S, self._free_at)
        self._free_at = begin + cost / self.per_s
        if begin > now:
            await asyncio.sleep(begin - now)


class Warmer:
    """Holds what every slice needs: database, lists, the threads that score, and the pace."""

    def __init__(self, db: Database, lists: Lists, *, threads: int, per_s: float, default_consent: bool) -> None:
        self._db = db
        self._lists = lists
        self._default_consent = default_consent
        self.pace = Pace(per_s)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="prewarm", initializer=_step_back)

    def close(self) -> None:
        """Stop the threads once their run is done."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def slice(self, send: Send, target: Target, ttl_s: int, limit: int) -> tuple[Tally, int, bool]:
        """Deal with the next people of a send; return what became of them, the new position, and whether it was the last slice.

        Raises one of `redis.FAULTS` when Redis is away; what was written by then stays and is found current later.
        """
        tally, position, asked = Tally(), send.position, min(_CHUNK, limit)
        loading = asyncio.create_task(store.people(self._db, send, position, asked))
        try:
            while True:
                people = await loading
                last = len(people) < asked
                limit -= len(people)
                position = people[-1].person_no if people else position
                asked = min(_CHUNK, limit)
                if asked and not last:  # the next people are read while these are scored
                    loading = asyncio.create_task(store.people(self._db, send, position, asked))
                await self._chunk(send.tenant, target, people, ttl_s, tally)
                if last or not asked:
                    return tally, position, last
        finally:
            loading.cancel()
            await asyncio.gather(loading, return_exceptions=True)

    async def _chunk(self, tenant: int, target: Target, people: Sequence[Recipient], ttl_s: int, tally: Tally) -> None:
        wanted = [one for one in people if self._may(one, tally)]
        current = await self._current(tenant, target, wanted, ttl_s)
        tally.already_warm += sum(current)
        stale = [one for one, good in zip(wanted, current, strict=True) if not good]
        await self.pace.take(_LOOK_COST * (len(people) - len(stale)))
        if not stale:
            return
        states = await store.states(self._db, tenant, [one.person_no for one in stale])
        work = [(one, states[one.person_no]) for one in stale if one.person_no in states]
        tally.no_history += len(stale) - len(work)
        work.sort(key=lambda pair: len(pair[1]))  # histories of like length share a run, so that little of it is padding
        parts = [work[first : first + batch.PEOPLE] for first in range(0, len(work), batch.PEOPLE)]
        results = await asyncio.gather(*(self._batch(tenant, target, part, ttl_s, tally) for part in parts), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    def _may(self, one: Recipient, tally: Tally) -> bool:
        """Tell whether a person can have a list, and count those who cannot."""
        if not one.known or not one.keys:
            tally.gone += 1
        elif not (self._default_consent if one.consent is None else one.consent):
            tally.no_consent += 1
        elif one.digest is None:
            tally.no_history += 1
        else:
            return True
        return False

    async def _current(self, tenant: int, target: Target, people: Sequence[Recipient], ttl_s: int) -> list[bool]:
        """Tell who has a current list under every key, and let these lists live until the send is over."""
        spelled = [self._keys(tenant, target, one) for one in people]
        heads = iter(await self._lists.heads([key for keys in spelled for key in keys]))
        current, lasting = [], []
        for one, keys in zip(people, spelled, strict=True):
            assert one.digest is not None
            found = [next(heads) for _ in keys]
            good = all(batch.is_current(head, target.model.model_no, one.digest) for head in found)
            current.append(good)
            lasting += keys if good else []
        await self._lists.prolong(lasting, ttl_s)
        return current

    def _keys(self, tenant: int, target: Target, one: Recipient) -> list[str]:
        filter_key = target.wanted.key
        return [ids.person_keys(tenant, key, target.recommender, filter_key, "")[1] for key in one.keys or ()]

    async def _batch(self, tenant: int, target: Target, work: Sequence[tuple[Recipient, bytes]], ttl_s: int, tally: Tally) -> None:
        """Score some people in a thread and write their lists."""
        await self.pace.take(len(work))
        loop, now = asyncio.get_running_loop(), clock.now().timestamp()
        try:
            lists = await loop.run_in_executor(self._threads, batch.score, target, [state for _, state in work], now)
        except _FAULTS as error:
            log.error("sends.model_fault", recommender=target.recommender, people=len(work), error=str(error)[:300])
            tally.failed += len(work)
            return
        made = [(self._keys(tenant, target, one), value) for (one, _), value in zip(work, lists, strict=True) if value is not None]
        tally.no_history += len(work) - len(made)
        replies = iter(await self._lists.write([(key, value) for keys, value in made for key in keys], ttl_s))
        for keys, _ in made:
            refused = [reply for reply in (next(replies) for _ in keys) if reply]
            if not refused:
                tally.warmed += 1
                continue
            tally.failed += 1
            if tally.failed == 1:
                log.warning("sends.write_refused", error=refused[0][:200])


def _step_back() -> None:
    """Let everything else that runs on this machine go first; on Linux each thread has a niceness of its own."""
    if sys.platform == "linux":
        os.nice(_NICER)
