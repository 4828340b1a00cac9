"""Round marks for axes, and the way from values to places. Pure."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

_STEPS = (1, 2, 2.5, 5, 10)
_SPANS = (60, 300, 900, 3600, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 1_209_600, 2_592_000)


def marks(low: float, high: float, most: int = 4) -> list[float]:
    """Return round values from at most `low` to at least `high`, about `most` apart (Heckbert, Nice numbers for graph labels, 1990)."""
    if not math.isfinite(low) or not math.isfinite(high) or high <= low:
        return [0.0, 1.0] if not high or not math.isfinite(high) else [0.0, float(high)]
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in _STEPS if power * factor >= raw * 0.999)
    first = math.floor(low / step) * step
    count = math.ceil((high - first) / step - 1e-9)
    return [round(first + step * index, 10) for index in range(count + 1)]


def moments(first: datetime, last: datetime, most: int = 6) -> list[datetime]:
    """Return round moments between two, in UTC."""
    span = max(1.0, (last - first).total_seconds())
    step = next((size for size in _SPANS if span / size <= most), _SPANS[-1])
    at = math.ceil(first.timestamp() / step) * step
    found = []
    while at <= last.timestamp():
        found.append(datetime.fromtimestamp(at, UTC))
        at += step
    return found


def moment_text(at: datetime, span: timedelta) -> str:
    """Write a mark of a time axis: the clock within two days, else the day."""
    return at.strftime("%H:%M") if span <= timedelta(days=2) else at.strftime("%-d %b")


def bins(values: Sequence[float], most: int = 24) -> list[tuple[float, float, int]]:
    """Return (from, to, count) of a histogram with round bounds; empty for no values."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return []
    edges = marks(min(finite), max(finite), most)
    if len(edges) < 2:
        return [(edges[0], edges[0], len(finite))]
    counts = [0] * (len(edges) - 1)
    step = edges[1] - edges[0]
    for value in finite:
        counts[min(len(counts) - 1, max(0, int((value - edges[0]) / step)))] += 1
    return [(edges[index], edges[index + 1], count) for index, count in enumerate(counts)]
