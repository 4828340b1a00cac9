"""Turns an outcome into the bytes of the answer: its links, its body, and why, where somebody may ask."""

import time
from typing import Any

from app.core import telemetry
from app.core.errors import Unavailable
from app.serving.model.call import NONE, Call
from app.serving.model.composed import Composed
from app.serving.model.outcome import Reason
from app.serving.render import answer
from app.serving.render.links import Links, Served


class Writer:
    """Signs the links of an answer and writes it out; without `links` they lead nowhere, so that no click is counted.

    `tracked` says whether those may be followed of whom nothing is known. Whoever may not gets direct links and no open pixel.
    """

    def __init__(self, links: Links | None, public_url: str = "", *, tracked: bool = True) -> None:
        self._links, self._tracked = links, tracked
        self._public_url = public_url

    def write(self, call: Call) -> None:
        """Set the body of a call whose outcome has its id."""
        call.chosen = time.perf_counter()
        outcome = call.outcome
        if call.placed.name != call.placement and not outcome.reason:
            outcome.reason = Reason.UNKNOWN_PLACEMENT
        if call.state is not None:
            outcome.person_no = call.state.person_no
        link = self._signed(call)
        call.body = answer.maker(call.format)(call, link, explained(call) if call.explain else None)

    def _signed(self, call: Call) -> str:
        """Return the address of an answer's links, and set that of its open pixel; empty while nothing can be signed."""
        if self._links is None:
            return ""
        if call.untracked is not False and (call.untracked or not self._tracked):
            call.direct = True
            telemetry.UNTRACKED.inc()
            return ""
        try:
            token = self._links.token(served(call, int(time.time())))
        except Unavailable:
            telemetry.ERRORS.labels("links", "unsigned").inc()
            return ""
        if call.rules.open_pixel if call.open_pixel is None else call.open_pixel:
            call.pixel = f"{self._public_url}/o/{token}.gif"
        return f"{self._public_url}/c/{token}"


def served(call: Call, at: int) -> Served:
    """Return what the links of this answer carry."""
    numbers, outcome = call.snapshot.catalogue.numbers, call.outcome
    items = tuple([numbers[index] for index, _, _ in outcome.picks])
    locale = call.locale if len(call.locale) < 60 else ""
    # whose a click of a public caller is, the record of the serve tells
    number = 0 if call.public else outcome.person_no
    return Served(call.tenant, at, call.placed.number, outcome.recommendation_id, number, locale, items, call.send_id or call.campaign)


def explained(call: Call) -> dict[str, Any]:
    """Return what `explain=1` adds: the history used, the rungs tried, and the ages of data."""
    catalogue, state = call.snapshot.catalogue, call.state
    groups = catalogue.group_index(call.anchor if call.anchored else state.groups if state is not None else NONE)
    shown = [catalogue.item_ids[catalogue.items_of(int(group))[0]] for group in groups[::-1][:20] if group >= 0]
    return {
        "history": shown,
        "history_length": len(state.groups) if state is not None else 0,
        "bought": len(state.bought) if state is not None else 0,
        "state_seq": state.seq if state is not None else 0,
        "redis_trusted": call.trusted,
        "person": call.closed or "known",
        "tracked": not call.direct,
        "rungs": call.trail or [],
        "rules": list(call.effects),
        **({"parts": [_started(call, one) for one in call.outcome.parts]} if call.outcome.parts else {}),
        "filter": call.wanted.model_dump(mode="json", exclude_defaults=True),
    }


def _started(call: Call, one: Composed) -> dict[str, Any]:
    """Return why a part shows what it does: what it started from, which rung gave its items, and what had to pass."""
    seed, outcome = one.seed, one.outcome
    item = call.snapshot.catalogue.item_ids[seed.item] if seed.item >= 0 else ""
    return {
        "part": one.part.name,
        "seed": one.part.seed or one.part.shows,
        "known": seed.known,
        "from": item or seed.word,
        "source": outcome.rung.name,
        "fallback_reason": outcome.reason,
        "filter": one.wanted.model_dump(mode="json", exclude_defaults=True),
    }
