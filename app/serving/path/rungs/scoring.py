"""Scores people in a small thread pool: calls that arrive together share a batch, and nobody queues who could not be served in time."""

# long: jobs, batches and deadlines of one pool

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import numpy as np
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, RuntimeException

from app.core.logging import log
from app.decisions.placements.domain import Filter
from app.ml import contract
from app.ml.contract import History, Ints
from app.serving.model.outcome import Reason
from app.serving.snapshot.catalogue import Catalogue
from app.serving.snapshot.snapshot import Floats, LiveModel

Result = TypeVar("Result")
MAX_QUEUE = 512
MODEL_FAULTS = (Fail, InvalidArgument, RuntimeException, ValueError, IndexError)
# Jobs whose caller has been answered are still scored, for the next answer, while there are no more of them than this.
_MOST_BEHIND = 32


class Overloaded(Exception):
    """The queue is full, or so long that the answer would be late; a lower rung answers."""


class Job:
    """One person to score: `exclude` int64 rows, `until` in loop time.

    `groups` (group indexes) and `scores` are there, best first, when `scored` is called with an empty `error`. `late` is called
    first when `until` passes; what is then still scored is for the next answer.
    """

    groups: Ints
    scores: Floats
    error: Reason = Reason.NONE
    answered = False
    timer: asyncio.TimerHandle | None = None

    def __init__(
        self, model: LiveModel, catalogue: Catalogue, history: History, exclude: Ints, wanted: Filter, k: int, until: float,
        scored: "Callable[[Job], None]", late: "Callable[[Job], None]",
    ) -> None:  # fmt: skip
        self.model = model
        self.catalogue = catalogue
        self.history = history
        self.exclude = exclude
        self.wanted = wanted
        self.k = k
        self.until = until
        self.scored = scored
        self.late = late


class Scorer:
    """Batches jobs for the models of a server."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="score")
        self._threads = threads
        self._free = threads
        self._queue: deque[Job] = deque()
        self._behind = 0
        self._scheduled = False
        self._seconds = 0.0  # of the last batches, smoothed

    def submit(self, job: Job) -> None:
        """Queue a job; raises Overloaded."""
        loop = asyncio.get_running_loop()
        if len(self._queue) >= MAX_QUEUE or loop.time() + self._wait(job.model) > job.until:
            raise Overloaded
        job.timer = loop.call_at(job.until, self._late, job)
        self._queue.append(job)
        self._schedule()

    @property
    def busy(self) -> bool:
        """Tell whether a job that comes now would have to wait for another batch."""
        return not self._free and bool(self._queue)

    def _wait(self, model: LiveModel) -> float:
        """Seconds until a job that comes now should be scored."""
        ahead = len(self._queue) // (model.loaded.batch) + (self._threads - self._free)
        return (ahead + 1) * self._seconds / self._threads

    def _late(self, job: Job) -> None:
        job.answered = True
        self._behind += 1
        job.late(job)

    def _schedule(self) -> None:
        if self._free and not self._scheduled:
            self._scheduled = True
            # after this turn, so that calls which arrived together share a batch
            asyncio.get_running_loop().call_soon(self._start)

    def _start(self) -> None:
        self._scheduled = False
        while self._free and self._queue:
            batch = self._take()
            if batch:
                self._free -= 1
                self._run(batch)

    def _take(self) -> list[Job]:
        batch: list[Job] = []
        others: list[Job] = []
        most = self._queue[0].model.loaded.batch
        while self._queue and len(batch) < most:
            job = self._queue.popleft()
            if job.answered and self._behind > _MOST_BEHIND:
                self._behind -= 1
                continue
            (batch if not batch or job.model is batch[0].model else others).append(job)
        self._queue.extendleft(reversed(others))
        return batch

    def _run(self, batch: list[Job]) -> None:
        ids = [job.model.mask_id(job.wanted, job.catalogue) for job in batch]
        if len(batch) > 1:  # a full set of masks may have been begun anew in between
            ids = [job.model.mask_id(job.wanted, job.catalogue) for job in batch]
        loop, began = asyncio.get_running_loop(), time.perf_counter()
        future = self._pool.submit(_score, batch, batch[0].model.masks, ids)
        future.add_done_callback(lambda done: _to_loop(loop, partial(self._done, batch, began, done)))

    def _done(self, batch: list[Job], began: float, future: "Future[tuple[Ints, Floats]]") -> None:
        if future.cancelled():
            return
        seconds = time.perf_counter() - began
        self._seconds += (seconds - self._seconds) * (0.2 if self._seconds else 1.0)
        self._free += 1
        self._start()
        error = future.exception()
        if isinstance(error, MODEL_FAULTS):
            log.error("model.fault", recommender=batch[0].model.loaded.recommender, error=str(error)[:300])
        elif error is not None:
            log.error("model.fault", recommender=batch[0].model.loaded.recommender, exc_info=error)
        for place, job in enumerate(batch):
            if job.answered:
                self._behind -= 1
            elif job.timer is not None:
                job.timer.cancel()
            if error is None:
                _take(job, place, *future.result())
            else:
                job.error = Reason.MODEL_ERROR
            job.scored(job)

    async def off_loop(self, call: Callable[..., Result], *values: Any) -> Result:
        """Run a scoring call in the pool."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, call, *values)

    def close(self) -> None:
        """Stop the threads once their batch is done."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _to_loop(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(callback)


def _take(job: Job, place: int, rows: Ints, scores: Floats) -> None:
    """Give a job its part of what a model answered, as far as that can be shown; its error when that is nothing but faults."""
    try:
        found, kept = rows[place, : job.k], scores[place, : job.k]
        good = np.isfinite(kept)
        if not good.all():  # -inf says that a place is empty; all else is a fault of the model
            if not good.any() and not np.isneginf(kept).all():
                raise ValueError("no score is finite")
            found, kept = found[good], kept[good]
        if len(found) and not 0 <= found.min() <= found.max() < len(job.model.groups):
            raise IndexError("a row does not exist")
        job.groups, job.scores = job.model.groups[found], kept
    except Exception as error:
        log.error("model.fault", recommender=job.model.loaded.recommender, error=str(error)[:300])
        job.error = Reason.MODEL_ERROR


def _score(batch: list[Job], masks: Floats, ids: list[int]) -> tuple[Ints, Floats]:
    loaded = batch[0].model.loaded
    histories = loaded.assemble([job.history for job in batch])
    exclude = contract.pad([job.exclude for job in batch])
    k = max(job.k for job in batch)
    return loaded.score_top(histories, k, exclude, masks, np.array(ids, np.int64))
