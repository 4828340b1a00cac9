"""The fast path: parse, limit, look up, climb the ladder, pin, write out, record. Authentication comes before, at the door."""

import asyncio
import hmac
import time
from dataclasses import dataclass
from typing import Any

from app.access.domain import Principal
from app.access.limits import Limiter
from app.access.windows import Verdict
from app.core import ids, telemetry
from app.core.errors import NotFound, Unavailable
from app.core.logging import log
from app.core.settings import Settings
from app.decisions.placements.domain import Placement
from app.serving import answer, candidates, pins, record
from app.serving.answer import Answer
from app.serving.domain import OWN_RUNGS, Outcome
from app.serving.finished import Finished
from app.serving.ladder import NONE, Ask, Ladder, fill
from app.serving.links import Links
from app.serving.lookup import Lookup
from app.serving.person import Found, People
from app.serving.redis_reader import RedisDown
from app.serving.request import Request
from app.serving.snapshot.snapshot import Placed, Snapshot


@dataclass(slots=True)
class Parts:
    """What the fast path stands on."""

    settings: Settings
    limiter: Limiter
    people: People
    lookup: Lookup
    ladder: Ladder
    links: Links
    serves: record.Buffer
    secret: bytes
    public_url: str


@dataclass(slots=True)
class Reply:
    """A finished answer: its body, what it was, and the milliseconds of lookup, choice, writing, and all together."""

    body: bytes
    media: bytes
    outcome: Outcome
    stages: tuple[float, float, float, float]


class Pipeline:
    """Answers parsed requests; one method a step."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._finished = Finished()

    async def answer(self, principal: Principal, request: Request, snapshot: Snapshot, verdict: Verdict) -> Reply:
        """Return an answer before the placement's deadline; raises only for strict requests."""
        started = time.perf_counter()
        placed = self._placement(request, snapshot)
        limited = "rate_limited" if not verdict.allowed else ""
        ask, found, pin = await self._ask(request, placed, snapshot, limited)
        looked_up = time.perf_counter()
        repeat = self._finished.find(request, snapshot, found, pin)
        if repeat is not None:
            outcome, body = repeat
            chosen = time.perf_counter()
        else:
            outcome = self._pinned(ask, found, pin, snapshot) or await self._chosen(ask, request, snapshot, found, pin)
            self._unknown(request, placed, outcome)
            chosen = time.perf_counter()
            body = self._written(request, placed, snapshot, outcome, ask, found)
            self._finished.keep(request, snapshot, found, pin, outcome, body)
        done = time.perf_counter()
        if not request.head:
            self._parts.serves.add(record.serve_record(request, placed, snapshot, outcome, principal.client_no, started))
        telemetry.served(placed.name, outcome.rung, outcome.reason, done - started)
        stages = (1000 * (looked_up - started), 1000 * (chosen - looked_up), 1000 * (done - chosen), 1000 * (done - started))
        return Reply(body, answer.MEDIA[request.format], outcome, stages)

    def plain(self, request: Request, snapshot: Snapshot) -> Reply:
        """Answer with popular items alone, when the person's own answer failed for a reason nobody foresaw."""
        placed = snapshot.config.placements.get(request.placement) or Placed("", 0, 0, Placement(recommender=""))
        limit = request.limit or placed.placement.count
        ask = Ask(snapshot, placed.placement, placed.placement.filter, limit, 0.0, None, "model_error")
        picks, rung = fill(ask, [])
        outcome = Outcome(rung, "model_error", picks, recommendation_id=ids.recommendation_id())
        body = answer.body(Answer(request, placed, snapshot, outcome, ""))
        return Reply(body, answer.MEDIA[request.format], outcome, (0.0, 0.0, 0.0, 0.0))

    def _placement(self, request: Request, snapshot: Snapshot) -> Placed:
        placements = snapshot.config.placements
        placed = placements.get(request.placement)
        if placed is not None:
            return placed
        if request.strict:
            raise NotFound("There is no placement of this name.")
        telemetry.UNKNOWN_PLACEMENTS.inc()
        log.warning("placement.unknown", tenant=request.tenant)
        return placements.get(self._parts.settings.default_placement) or Placed("", 0, 0, Placement(recommender=""))

    async def _ask(self, request: Request, placed: Placed, snapshot: Snapshot, limited: str) -> tuple[Ask, Found, str]:
        """Collect the keys, read them at once, and lay out what the ladder is asked."""
        placement, settings = placed.placement, self._parts.settings
        until = asyncio.get_running_loop().time() + (placement.deadline_ms or settings.deadline_ms) / 1000
        wanted = placement.filter.narrowed(request.category) if request.category else placement.filter
        if request.category and wanted is placement.filter:
            request.complain("category: outside of what this placement shows")
        request.limit = request.limit or placement.count
        catalogue = snapshot.catalogue
        index_of = catalogue.index_of
        named = (*request.anchor, *request.exclude, *placement.blocked)
        banned = frozenset(int(catalogue.group[index_of[i]]) for i in named if i in index_of) if named else frozenset()
        anchor = NONE
        if request.anchor:
            anchor = catalogue.group_no[[catalogue.group[index_of[i]] for i in request.anchor if i in index_of]]
        anchored = placement.anchor == "item" and len(anchor) > 0
        owner = b"" if anchored else request.key
        pin = ids.pin_key(request.tenant, pins.pin_digest(request)) if request.send_id or request.campaign else ""
        if limited:  # over the limit nothing is read: popular items are all there is
            return Ask(snapshot, placement, wanted, request.limit, until, None, limited, NONE, banned), Found(None, limited, [], False), ""
        spelled = "-".join(map(str, sorted(anchor.tolist()))) if anchored else ""
        state_key, key = ids.person_keys(request.tenant, owner, placement.recommender, wanted.key, spelled)
        if anchored:
            state_key = ids.state_key(request.tenant, request.key)
        if not placement.recommender or not (owner or anchored):
            key = ""
        keys = [one for one in (state_key if request.key else "", key, pin) if one]
        found = await self._parts.people.find(request.tenant, request.key, keys)
        cached = candidates.unpack(found.extra[0]) if key else None
        bought = frozenset(found.state.bought.tolist()) if found.state is not None and found.state.bought_count else frozenset()
        trusted_key = key if found.trusted else ""
        ask = Ask(snapshot, placement, wanted, request.limit, until, found.state, found.reason, anchor, banned, bought, trusted_key, cached)
        return ask, found, pin

    def _pinned(self, ask: Ask, found: Found, pin: str, snapshot: Snapshot) -> Outcome | None:
        """Return the pinned answer of this send, as far as its items may still be shown and the person still consents."""
        outcome = pins.unpack(found.extra[-1], snapshot.catalogue) if pin else None
        if outcome is None or (outcome.rung in OWN_RUNGS and found.state is None and not ask.anchored):
            return None
        catalogue = snapshot.catalogue
        passing = catalogue.passing(ask.wanted).items
        kept = [p for p in outcome.picks if passing[p.index] and int(catalogue.group[p.index]) not in ask.banned]
        if len(kept) < len(outcome.picks):
            kept = fill(ask, kept)[0]
        outcome.picks = kept
        for recommender, model in snapshot.models.items():
            if model.model_no == outcome.model_no:
                outcome.recommender, outcome.version = recommender, model.loaded.version
        return outcome

    async def _chosen(self, ask: Ask, request: Request, snapshot: Snapshot, found: Found, pin: str) -> Outcome:
        """Climb the ladder, give the answer its id, and pin it when the request names a send."""
        outcome = await self._parts.ladder.climb(ask)
        outcome.recommendation_id = ids.recommendation_id()
        if not pin or request.head:
            return outcome
        try:
            if not found.trusted:
                raise RedisDown("not trusted")
            value = pins.pack(outcome, snapshot.catalogue)
            ttl = str(self._parts.settings.pin_ttl_s)
            (earlier,) = await self._parts.lookup.reader.call(("SET", pin, value, "NX", "EX", ttl, "GET"))
        except RedisDown:
            bucket = str(int(time.time()) // self._parts.settings.pin_ttl_s)
            outcome.recommendation_id = hmac.digest(self._parts.secret, f"{pin}:{bucket}".encode(), "sha256")[:16]
            return outcome
        if isinstance(earlier, bytes):  # another part of the same e-mail was faster, in this turn or another worker
            found.extra[-1:] = [earlier]
            return self._pinned(ask, found, pin, snapshot) or outcome
        return outcome

    def _unknown(self, request: Request, placed: Placed, outcome: Outcome) -> None:
        if placed.name != request.placement and not outcome.reason:
            outcome.reason = "unknown_placement"

    def _written(self, request: Request, placed: Placed, snapshot: Snapshot, outcome: Outcome, ask: Ask, found: Found) -> bytes:
        outcome.person_no = found.state.person_no if found.state is not None else 0
        link = ""
        try:
            token = self._parts.links.token(answer.served(request, placed, snapshot, outcome, int(time.time())))
            link = f"{self._parts.public_url}/c/{token}"
        except Unavailable:
            telemetry.ERRORS.labels("links", "unsigned").inc()
        explain = explained(ask, found, snapshot) if request.explain else None
        return answer.body(Answer(request, placed, snapshot, outcome, link, explain))


def explained(ask: Ask, found: Found, snapshot: Snapshot) -> dict[str, Any]:
    """Return what `explain=1` adds: the history used, the rungs tried, and the ages of data."""
    catalogue, state = snapshot.catalogue, ask.state
    groups = catalogue.group_index(ask.anchor if ask.anchored else state.groups if state is not None else NONE)
    shown = [catalogue.item_ids[catalogue.items_of(int(group))[0]] for group in groups[::-1][:20] if group >= 0]
    return {
        "history": shown,
        "history_length": len(state.groups) if state is not None else 0,
        "bought": len(state.bought) if state is not None else 0,
        "state_seq": state.seq if state is not None else 0,
        "redis_trusted": found.trusted,
        "person": found.reason or "known",
        "rungs": ask.trail,
        "filter": ask.wanted.model_dump(mode="json", exclude_defaults=True),
    }
