"""Pinned answers: all parts and retries of one e-mail show the same items, also across workers."""

import asyncio
import hmac
import time

from app.core import ids
from app.serving import pins
from app.serving.call import Call, Step
from app.serving.choice import fill
from app.serving.domain import OWN_RUNGS, Outcome
from app.serving.redis.reader import RedisDown, RedisReader


class Pinning:
    """Finds and keeps the answer that a send gave to a person first."""

    def __init__(self, reader: RedisReader, secret: bytes, ttl_s: int) -> None:
        self._reader = reader
        self._secret = secret
        self._ttl_s = ttl_s
        self._tasks: set[asyncio.Task[None]] = set()

    def earlier(self, call: Call) -> Outcome | None:
        """Return the pinned answer of this send, as far as its items may still be shown and the person still consents."""
        catalogue = call.snapshot.catalogue
        outcome = pins.unpack(call.pinned, catalogue)
        if outcome is None or (outcome.rung in OWN_RUNGS and call.state is None and not call.anchored):
            return None
        passing = catalogue.passing(call.wanted).items
        kept = [pick for pick in outcome.picks if passing[pick[0]] and int(catalogue.group[pick[0]]) not in call.banned]
        outcome.picks = fill(call, kept)[0] if len(kept) < len(outcome.picks) else kept
        for recommender, model in call.snapshot.models.items():
            if model.model_no == outcome.model_no:
                outcome.recommender, outcome.version = recommender, model.loaded.version
        return outcome

    def pin(self, call: Call, then: Step) -> None:
        """Keep the outcome for the repeats of this send, or take the one that another part of the same e-mail kept meanwhile."""
        task = asyncio.get_running_loop().create_task(self._pin(call, then))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pin(self, call: Call, then: Step) -> None:
        try:
            call.outcome.recommendation_id = ids.recommendation_id()
            earlier = await self._kept(call) if call.trusted else None
            if not call.trusted or earlier is False:
                # without Redis the id is the same for all parts of an e-mail, the items are as far as the data is
                bucket = str(int(time.time()) // self._ttl_s)
                call.outcome.recommendation_id = hmac.digest(self._secret, f"{call.pin_key}:{bucket}".encode(), "sha256")[:16]
            elif isinstance(earlier, bytes):
                call.pinned = earlier
                call.outcome = self.earlier(call) or call.outcome
            then(call)
        except Exception as error:
            call.fail(call, error)

    async def _kept(self, call: Call) -> bytes | bool | None:
        """Return what was pinned before, None when this answer is pinned now, False when Redis is away."""
        value = pins.pack(call.outcome, call.snapshot.catalogue)
        try:
            (earlier,) = await self._reader.call(("SET", call.pin_key, value, "NX", "EX", str(self._ttl_s), "GET"))
        except RedisDown:
            return False
        return earlier if isinstance(earlier, bytes) else None
