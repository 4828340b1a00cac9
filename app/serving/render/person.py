"""What a template shows of the person: the facts, traits and segments it names, and nothing else; all unknown without their consent."""

import time
from collections.abc import Callable
from typing import Any

from app.content.liquid import shown_text
from app.content.templates.domain import Compiled
from app.data.facts.domain import Ref, Seen, Value
from app.decisions.rules.part import KNOWN, Known
from app.serving.model.call import NOBODY, Call
from app.serving.model.context import requested


def values(call: Call, part: Compiled) -> dict[str, Any]:
    """Return what a template may read of the person of a call; nothing where it names nobody."""
    asked = part.person
    if asked is None:
        return {}
    ready, facts = shown_text(part.form), call.snapshot.facts
    # a key of the website tells nobody's facts: whoever has it could ask for anybody's device
    person = call.facts if call.state is not None and not call.public else None
    known: Known = call.snapshot.config.loaded.get(KNOWN.name, Known())
    view = Seen(person, None, time.time(), requested(call), call.ctx, known.edges)

    def told(ref: Ref) -> Any:
        return _plain(facts.reading(ref)(view), ready)

    said: dict[str, Any] = {"facts": {written: told(ref) for written, ref in asked.facts.items()}}
    said["traits"] = {name: told(Ref("trait", name)) for name in asked.traits}
    own = person.segments if person is not None and asked.segments else NOBODY
    said["segments"] = sorted(ready(name) for name, number in known.segments.items() if number in own)
    return {"person": said}


def _plain(value: Value, ready: Callable[[str], str]) -> Any:
    """Return a fact as templates write it: whole numbers without a point, lists in their order."""
    if isinstance(value, str):
        return ready(value)
    if isinstance(value, frozenset):
        return [ready(one) for one in sorted(value)]
    if isinstance(value, float):
        return int(value) if value.is_integer() else round(value, 6)
    return value
