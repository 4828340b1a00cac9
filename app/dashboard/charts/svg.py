"""Line, band, bar, histogram and sparkline; colours come from classes, so that a chart follows light, dark and print."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count

from markupsafe import Markup

from app.dashboard.charts.scales import bins, marks, moment_text, moments

WIDTH, HEIGHT = 640, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 10, 24
_ids = count(1)
Point = tuple[datetime, float | None]
Write = Callable[[float], str]


@dataclass(frozen=True)
class Line:
    """A series over time; a missing value leaves a gap."""

    name: str
    points: Sequence[Point]


def _plain(value: float) -> str:
    if abs(value) >= 1_000_000:
        return f"{value / 1_000_000:g}M"
    if abs(value) >= 10_000:
        return f"{value / 1000:g}k"
    return f"{value:g}"


def _cell(value: float | None, write: Write) -> str:
    return "–" if value is None else write(value)


def line(title: str, series: Sequence[Line], *, write: Write = _plain, share: bool = False, stacked: bool = False) -> Markup:
    """Draw series over time: lines, or bands on top of each other (`stacked`); `share` fixes the axis at 0 to 1."""
    times = sorted({at for one in series for at, _ in one.points})
    values = [value for one in series for _, value in one.points if value is not None]
    if len(times) < 2 or not values:
        return empty(title)
    lower: dict[datetime, float] = dict.fromkeys(times, 0.0)
    highest = max(_summed(series).values()) if stacked else max(values)
    top = 1.0 if share or highest <= 0 else highest
    ticks = marks(0.0, top)
    x, y = _across(times[0], times[-1]), _up(ticks[-1])
    drawn = [_axes(ticks, y, write), _times(times[0], times[-1], x)]
    for number, one in enumerate(series):
        if stacked:
            known = {at: value or 0.0 for at, value in one.points}
            upper = {at: lower[at] + known.get(at, 0.0) for at in times}
            there = " ".join(f"{x(at):.1f},{y(upper[at]):.1f}" for at in times)
            back = " ".join(f"{x(at):.1f},{y(lower[at]):.1f}" for at in reversed(times))
            drawn.append(Markup('<polygon class="band s{}" points="{} {}"/>').format(number % 6, there, back))
            lower = upper
        else:
            drawn.extend(Markup('<polyline class="line s{}" points="{}"/>').format(number % 6, run) for run in _runs(one, x, y))
    rows = [[at.strftime("%-d %b %H:%M"), *[_cell(dict(one.points).get(at), write) for one in series]] for at in times]
    return _figure(title, drawn, [one.name for one in series], ["Time", *[one.name for one in series]], rows, legend=len(series) > 1)


def bars(title: str, values: Sequence[tuple[str, float]], *, write: Write = _plain, unit: str = "") -> Markup:
    """Draw one bar a name, the names beside them; for up to some thirty."""
    if not values:
        return empty(title)
    top = max(value for _, value in values) or 1.0
    height = 26 * len(values) + 8
    drawn = []
    for index, (name, value) in enumerate(values):
        at, width = 26 * index + 4, max(1.0, (WIDTH - 250) * value / top)
        short = name if len(name) <= 26 else name[:25] + "…"
        drawn.append(
            Markup(
                '<g><text class="name" x="0" y="{}">{}<title>{}</title></text>'
                '<rect class="column s0" x="180" y="{}" width="{:.1f}" height="16" rx="3"/>'
                '<text class="value" x="{:.1f}" y="{}">{}</text></g>'
            ).format(at + 13, short, name, at, width, 188 + width, at + 13, write(value))
        )
    return _figure(title, drawn, [], ["Name", unit or "Value"], [[name, write(value)] for name, value in values], height=height)


def curve(title: str, points: Sequence[tuple[float, float]], names: tuple[str, str], *, chosen: float | None = None) -> Markup:
    """Draw one value over another, of few points; the `chosen` one is marked. `names` are those of both."""
    if len(points) < 2:
        return empty(title)
    ticks = marks(0.0, max(max(value for _, value in points), 1e-9))
    first, last, y = points[0][0], points[-1][0], _up(ticks[-1])
    across = [(_LEFT + 12 + (WIDTH - _LEFT - _RIGHT - 24) * (at - first) / (last - first), at, value) for at, value in points]
    drawn = [
        _axes(ticks, y, _plain),
        Markup('<polyline class="line s0" points="{}"/>').format(" ".join(f"{x:.1f},{y(max(value, 0.0)):.1f}" for x, _, value in across)),
    ]
    for x, at, value in across:
        drawn.append(Markup('<text class="tick" x="{:.1f}" y="{}" text-anchor="middle">{:g}</text>').format(x, HEIGHT - 6, at))
        if at == chosen:
            drawn.append(Markup('<circle class="dot s0" cx="{:.1f}" cy="{:.1f}" r="5"/>').format(x, y(max(value, 0.0))))
    rows = [[f"{at:g}{' (taken)' if at == chosen else ''}", f"{value:.4g}"] for at, value in points]
    return _figure(title, drawn, [], list(names), rows)


def histogram(title: str, values: Sequence[float], *, write: Write = _plain) -> Markup:
    """Draw how often values lie between round bounds."""
    return binned(title, bins(values), write=write)


def binned(title: str, found: Sequence[tuple[float, float, int]], *, write: Write = _plain) -> Markup:
    """Draw a histogram of which (from, to, count) are known, lowest first; each bin is as wide as the others, whatever it spans."""
    if not found:
        return empty(title)
    ticks = marks(0.0, max(number for _, _, number in found))
    y, width = _up(ticks[-1]), (WIDTH - _LEFT - _RIGHT) / len(found)
    drawn = [_axes(ticks, y, _plain)]
    for index, (low, high, number) in enumerate(found):
        x = _LEFT + index * width
        drawn.append(
            Markup(
                '<rect class="column s0" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"><title>{} to {}: {}</title></rect>'
            ).format(x + 1, y(number), max(1.0, width - 2), max(0.0, HEIGHT - _BOTTOM - y(number)), write(low), write(high), number)
        )
        if index % max(1, len(found) // 6) == 0:
            drawn.append(Markup('<text class="tick" x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(x, HEIGHT - 8, write(low)))
    return _figure(title, drawn, [], ["From", "To", "Count"], [[write(low), write(high), str(number)] for low, high, number in found])


def sparkline(values: Sequence[float | None], label: str) -> Markup:
    """Draw a small line without axes, beside a figure."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return Markup('<span class="spark none"></span>')
    low, high = min(known), max(known)
    span = (high - low) or 1.0
    step = 100 / (len(values) - 1)
    points = " ".join(f"{index * step:.1f},{26 - 22 * (value - low) / span:.1f}" for index, value in enumerate(values) if value is not None)
    return Markup(
        '<svg class="spark" viewBox="0 0 100 30" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<polyline class="line s0" points="{}"/></svg>'
    ).format(label, points)


def empty(title: str) -> Markup:
    """Say that there is nothing to draw yet."""
    return Markup(
        '<figure class="chart"><figcaption>{}</figcaption><p class="none">Nothing to show for this time yet.</p></figure>'
    ).format(title)


def _summed(series: Sequence[Line]) -> dict[datetime, float]:
    sums: dict[datetime, float] = {}
    for one in series:
        for at, value in one.points:
            sums[at] = sums.get(at, 0.0) + (value or 0.0)
    return sums


def _across(first: datetime, last: datetime) -> Callable[[datetime], float]:
    span = max(1.0, (last - first).total_seconds())
    return lambda at: _LEFT + (WIDTH - _LEFT - _RIGHT) * (at - first).total_seconds() / span


def _up(top: float) -> Callable[[float], float]:
    return lambda value: HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * min(value, top) / (top or 1.0)


def _runs(one: Line, x: Callable[[datetime], float], y: Callable[[float], float]) -> list[str]:
    runs: list[list[str]] = [[]]
    for at, value in sorted(one.points):
        if value is None:
            runs.append([])
        else:
            runs[-1].append(f"{x(at):.1f},{y(value):.1f}")
    # a single point between two gaps would be no line at all
    return [" ".join(run if len(run) > 1 else run * 2) for run in runs if run]


def _axes(ticks: Sequence[float], y: Callable[[float], float], write: Write) -> Markup:
    return Markup("").join(
        Markup(
            '<line class="grid" x1="{0}" x2="{1}" y1="{2:.1f}" y2="{2:.1f}"/>'
            '<text class="tick" x="{3}" y="{4:.1f}" text-anchor="end">{5}</text>'
        ).format(_LEFT, WIDTH - _RIGHT, y(tick), _LEFT - 6, y(tick) + 4, write(tick))
        for tick in ticks
    )


def _times(first: datetime, last: datetime, x: Callable[[datetime], float]) -> Markup:
    return Markup("").join(
        Markup('<text class="tick" x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
            x(at), HEIGHT - 6, moment_text(at, last - first)
        )
        for at in moments(first, last)
        if _LEFT + 10 < x(at) < WIDTH - 24
    )


# long: each argument is a part of the figure
def _figure(
    title: str,
    drawn: Sequence[Markup],
    names: Sequence[str],
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    height: int = HEIGHT,
    legend: bool = False,
) -> Markup:
    number = next(_ids)
    key = (
        Markup("").join(Markup('<li class="s{}">{}</li>').format(index % 6, name) for index, name in enumerate(names))
        if legend
        else Markup("")
    )
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(name) for name in columns)
    body = Markup("").join(
        Markup("<tr>{}</tr>").format(Markup("").join(Markup("<td>{}</td>").format(value) for value in row)) for row in rows[-200:]
    )
    return Markup(
        '<figure class="chart"><figcaption id="chart{0}">{1}</figcaption>{2}'
        '<svg viewBox="0 0 {3} {4}" role="img" aria-labelledby="chart{0}">{5}</svg>'
        '<details><summary>Figures</summary><div class="scroll" tabindex="0"><table class="data">'
        "<thead><tr>{6}</tr></thead><tbody>{7}</tbody></table></div></details></figure>"
    ).format(
        number, title, Markup('<ul class="legend">{}</ul>').format(key) if key else "", WIDTH, height, Markup("").join(drawn), head, body
    )
