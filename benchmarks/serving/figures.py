"""How a figure is told: one line of JSON."""

import json
import statistics
from collections.abc import Sequence

missed: list[str] = []
"""Names of the figures that missed their target so far."""


def tell(
    name: str, value: float, unit: str, *, baseline: float | None = None, target: float | None = None, most: float | None = None
) -> None:
    """Print a figure; `target` is the least ratio to (or without a baseline the least) value, `most` the largest value that is good.

    The ratio is baseline / value for costs (unit us, ms, s, MB, bytes), value / baseline for rates.
    """
    rate = unit.endswith("/s")
    ratio = None if not baseline or not value else value / baseline if rate else baseline / value
    ok = None
    if most is not None:
        ok = value <= most
    elif target is not None:
        ok = (value if ratio is None else ratio) >= target
    if ok is False:
        missed.append(name)
    figure = {"name": name, "value": _rounded(value), "unit": unit, "baseline": _rounded(baseline), "ratio": _rounded(ratio)}
    print(json.dumps({**figure, "target": most if most is not None else target, "ok": ok}), flush=True)


def skip(name: str, why: str) -> None:
    """Say that a figure was not measured."""
    print(json.dumps({"name": name, "value": None, "skipped": why}), flush=True)


def middle(values: Sequence[float]) -> float:
    """Return the median."""
    return float(statistics.median(values))


def spread(values: Sequence[float]) -> float:
    """Return the largest value less the smallest."""
    return max(values) - min(values)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
