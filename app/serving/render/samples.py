"""Items of a catalogue as they are shown, for the trial of a template."""

import time
from typing import Any

from app.content.escaping import neutral_text
from app.serving.render import shelf
from app.serving.snapshot.snapshot import Snapshot

_MOST = 50


def samples(snapshot: Snapshot | None) -> list[dict[str, Any]]:
    """Return up to 50 items from all over the catalogue of a tenant, as values of a template; none where nothing is loaded."""
    if snapshot is None or not len(snapshot.catalogue):
        return []
    step = max(1, len(snapshot.catalogue) // _MOST)
    now = time.time()
    found = [shelf.show(snapshot.catalogue, index, "", now).values for index in range(0, len(snapshot.catalogue), step)[:_MOST]]
    return [{name: neutral_text(value) if isinstance(value, str) else value for name, value in values.items()} for values in found]
