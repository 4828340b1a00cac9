"""Scores people in a small thread pool: requests that arrive together share a batch, the queue is bounded, late ones are dropped."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, RuntimeException

from app.core.logging import log
from app.decisions.placements.domain import Filter
from app.ml import contract
from app.ml.contract import History, Ints
from app.serving.snapshot.catalogue import Catalogue
from app.serving.snapshot.snapshot import Floats, LiveModel

Result = TypeVar("Result")
MAX_BATCH = 8
MAX_QUEUE = 512
MODEL_FAULTS = (Fail, InvalidArgument, RuntimeException, ValueError, IndexError)


class Overloaded(Exception):
    """The queue is full; a lower rung answers."""


class ModelFault(Exception):
    """The model could not score."""


@dataclass(slots=True)
class Job:
    """One person to score; `exclude` int64 rows, `until` in loop time."""

    model: LiveModel
    catalogue: Catalogue
    history: History
    exclude: Ints
    wanted: Filter
    k: int
    until: float
    future: asyncio.Future[tuple[Ints, Floats]]


class Scorer:
    """Batches jobs for the models of a server."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="score")
        self._free = threads
        self._queue: deque[Job] = deque()
        self._scheduled = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def top(
        self, model: LiveModel, catalogue: Catalogue, history: History, exclude: Ints, wanted: Filter, k: int, until: float
    ) -> tuple[Ints, Floats]:
        """Return group indexes and scores, best first, of groups that pass; raises TimeoutError, Overloaded, ModelFault."""
        if len(self._queue) >= MAX_QUEUE:
            raise Overloaded
        loop = asyncio.get_running_loop()
        job = Job(model, catalogue, history, exclude, wanted, k, until, loop.create_future())
        self._queue.append(job)
        self._schedule()
        async with asyncio.timeout_at(until):
            return await job.future

    def _schedule(self) -> None:
        if self._free and not self._scheduled:
            self._scheduled = True
            # after this turn, so that requests which arrived together share a batch
            asyncio.get_running_loop().call_soon(self._start)

    def _start(self) -> None:
        self._scheduled = False
        while self._free and self._queue:
            batch = self._take()
            if not batch:
                continue
            self._free -= 1
            task = asyncio.get_running_loop().create_task(self._run(batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _take(self) -> list[Job]:
        now = asyncio.get_running_loop().time()
        batch: list[Job] = []
        others: list[Job] = []
        while self._queue and len(batch) < MAX_BATCH:
            job = self._queue.popleft()
            if job.future.done() or job.until <= now:
                continue
            (batch if not batch or job.model is batch[0].model else others).append(job)
        self._queue.extendleft(reversed(others))
        return batch

    async def _run(self, batch: list[Job]) -> None:
        ids = [job.model.mask_id(job.wanted, job.catalogue) for job in batch]
        if len(batch) > 1:  # a full set of masks may have been begun anew in between
            ids = [job.model.mask_id(job.wanted, job.catalogue) for job in batch]
        masks = batch[0].model.masks
        try:
            rows, scores = await asyncio.get_running_loop().run_in_executor(self._pool, _score, batch, masks, ids)
        except MODEL_FAULTS as error:
            log.error("model.fault", recommender=batch[0].model.loaded.recommender, error=str(error)[:300])
            for job in batch:
                if not job.future.done():
                    job.future.set_exception(ModelFault(str(error)))
        else:
            for place, job in enumerate(batch):
                if not job.future.done():
                    job.future.set_result(_kept(job, rows[place], scores[place]))
        finally:
            self._free += 1
            self._start()

    async def off_loop(self, call: Callable[..., Result], *values: Any) -> Result:
        """Run a scoring call in the pool."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, call, *values)

    def close(self) -> None:
        """Stop the threads once their batch is done."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _score(batch: list[Job], masks: Floats, ids: list[int]) -> tuple[Ints, Floats]:
    loaded = batch[0].model.loaded
    histories = loaded.assemble([job.history for job in batch])
    exclude = contract.pad([job.exclude for job in batch])
    k = max(job.k for job in batch)
    return loaded.score_top(histories, k, exclude, masks, np.array(ids, np.int64))


def _kept(job: Job, rows: Any, scores: Any) -> tuple[Ints, Floats]:
    good = scores > -np.inf
    groups = job.model.groups[rows[good]][: job.k]
    return groups, scores[good][: job.k]
