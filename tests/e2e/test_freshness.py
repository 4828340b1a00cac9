"""What the worker and the probe measure is told by the server's /metrics."""

import re
import time

import httpx2

from app.core.settings import Settings
from tests.e2e.serving import served


def test_freshness_and_probe_are_told_by_the_server(settings: Settings) -> None:
    with served(settings, workers=2, environment={"MORSEL_PROBE_EVERY_S": "1"}) as address:
        end = time.monotonic() + 30
        found: dict[str, float] = {}
        # the first group of all is not measured
        while found.get("morsel_probe_seconds_count", 0) < 2 or found.get("morsel_event_freshness_seconds_count", 0) < 1:
            assert time.monotonic() < end, found
            time.sleep(0.2)
            text = httpx2.get(f"{address}/metrics").text
            found = {name: float(value) for name, value in re.findall(r"^(morsel_\w+)(?:\{pid=\"\d+\"\})? (\S+)$", text, re.M)}
        assert found["morsel_probe_failing"] == 0
        assert found["morsel_probe_seconds_sum"] / found["morsel_probe_seconds_count"] < 5
