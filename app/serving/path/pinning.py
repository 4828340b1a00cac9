"""Pinned answers: all parts and retries of one e-mail show the same items, also across workers."""

import asyncio
import hmac
import time

import hiredis

from app.core import ids
from app.decisions.placements.widening import beyond, within
from app.serving.model import composed_codec, pin_codec
from app.serving.model.call import Call, Step
from app.serving.model.outcome import ItemReason, Outcome, Pick, Reason
from app.serving.path.ladder import fill
from app.serving.path.parts import pinned
from app.serving.path.rungs import order
from app.serving.redis.reader import RedisDown, RedisReader
from app.serving.redis.wire import first_word


class Pinning:
    """Finds and keeps the answer that a send gave to a person first."""

    def __init__(self, reader: RedisReader, secret: bytes, ttl_s: int) -> None:
        self._reader = reader
        self._secret = secret
        self._ttl_s = ttl_s
        self._tasks: set[asyncio.Task[None]] = set()

    def earlier(self, call: Call) -> Outcome | None:
        """Return the pinned answer of this send, as far as its items may still be shown and the person still consents."""
        if (outcome := (pinned.earlier(call) if call.rules.parts else None) or _earlier(call)) is None:
            return None
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
        value = composed_codec.pack(call.outcome, call.snapshot.catalogue)
        try:
            (earlier,) = await self._reader.call(("SET", call.pin_key, value, "NX", "EX", str(self._ttl_s), "GET"))
        except RedisDown:
            return False
        if isinstance(earlier, hiredis.ReplyError) and first_word(earlier) == "WRONGTYPE":
            # what lies there is no answer: it is taken away, as each value of another type
            _, earlier = await self._reader.call(("DEL", call.pin_key), ("SET", call.pin_key, value, "NX", "EX", str(self._ttl_s), "GET"))
        return earlier if isinstance(earlier, bytes) else None


def _earlier(call: Call) -> Outcome | None:
    outcome = pin_codec.unpack(call.pinned, call.snapshot.catalogue, order.numbered)
    if outcome is None or (outcome.rung.own and call.state is None and not call.anchored):
        return None
    kept = outcome.picks = _showable(call, outcome.picks)
    if len(kept) < outcome.pinned_items or not kept:
        if not kept:  # nothing is left of what was decided
            outcome.rung, outcome.reason, outcome.model_no = order.FIXED, Reason.TOO_FEW_ITEMS, 0
        fill(call, outcome)
    if call.widened:
        outcome.reason = Reason.TOO_FEW_ITEMS
    return outcome


def _showable(call: Call, picks: list[Pick]) -> list[Pick]:
    """Return the picks that may still be shown: within the filter, or else within the nearest wider one that let them in."""
    catalogue = call.snapshot.catalogue
    free = [pick for pick in picks if int(catalogue.group[pick[0]]) not in call.banned]
    passing = catalogue.passing(call.wanted).items
    kept = [pick for pick in free if passing[pick[0]] or (pick[2] is ItemReason.FIXED and catalogue.available[pick[0]])]
    if kept or call.blank:
        return kept
    for step in (*within(call.wanted, call.rules.filter), *beyond(call.rules.filter)) if free else ():
        passing = catalogue.passing(step.filter).items
        if kept := [pick for pick in free if passing[pick[0]]]:
            call.widen(step.filter, step.told)
            break
    return kept
