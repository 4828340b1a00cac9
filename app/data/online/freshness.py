"""How long accepted events take until Redis shows them."""

import time
from collections.abc import Mapping

from app.core.telemetry import APPLY_LAG, EVENT_FRESHNESS


class Freshness:
    """Since when events of each shard have been on their way; each group of them is measured by its oldest, once all are visible."""

    def __init__(self) -> None:
        self._since: dict[int, float] = {}

    def arrived(self, ages: Mapping[int, float], *, measured: bool = True) -> None:
        """Note events by shard, with the age of the oldest in seconds by the database's clock; an old log read anew is not measured."""
        APPLY_LAG.set(max(ages.values(), default=0.0))
        if measured:
            now = time.monotonic()
            for shard, age in ages.items():
                self._since.setdefault(shard, now - age)

    def visible(self, shard: int) -> None:
        """Measure what was on its way in a shard."""
        since = self._since.pop(shard, None)
        if since is not None:
            EVENT_FRESHNESS.observe(max(0.0, time.monotonic() - since))
