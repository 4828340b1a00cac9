"""Turns a page's values into HTML: Jinja2 with everything escaped, icons, charts and forms at hand."""

import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from babel.numbers import format_compact_decimal, format_decimal
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from lucide.jinja import lucide
from markupsafe import Markup

from app.dashboard import assets
from app.dashboard.api_client import part
from app.dashboard.charts import svg as charts

_HERE = Path(__file__).parent


@cache
def environment() -> Environment:
    """Return the environment of all pages."""
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    made.globals.update(icon=icon, asset=assets.address, charts=charts, query=query)
    made.filters.update(number=number, compact=compact, percent=percent, when=when, ago=ago, part=part, pretty=pretty, ms=milliseconds)
    return made


def page(template: str, **values: Any) -> str:
    """Return a rendered page."""
    return environment().get_template(template).render(**values)


@cache
def icon(name: str, size: int = 18) -> Markup:
    """Return an icon of Lucide, hidden from screen readers: a text stands beside it."""
    return Markup(lucide(name, size=size, aria_hidden="true", focusable="false", **{"class": "icon"}))  # noqa: S704 - of the package


def number(value: float | int | None, digits: int = 0) -> str:
    """Write a number for people, a dash where there is none."""
    if value is None:
        return "–"
    return str(format_decimal(round(value, digits), format="#,##0" if not digits else f"#,##0.{'0' * digits}", locale="en"))


def compact(value: float | int | None) -> str:
    """Write a large number in few signs, such as 1.2M."""
    return "–" if value is None else str(format_compact_decimal(value, fraction_digits=1 if abs(value) >= 1000 else 0, locale="en"))


def percent(value: float | None, digits: int = 1) -> str:
    """Write a share, a dash where there is none."""
    return "–" if value is None else f"{value * 100:.{digits}f} %"


def milliseconds(value: float | None) -> str:
    """Write a duration given in milliseconds."""
    if value is None:
        return "–"
    return f"{value:.1f} ms" if value < 100 else f"{value / 1000:.1f} s" if value >= 1000 else f"{value:.0f} ms"


def moment(value: Any) -> datetime | None:
    """Read a moment of the API, None where there is none."""
    if not value:
        return None
    read = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def when(value: Any) -> Markup:
    """Write a moment in UTC; scripts show it in the reader's zone."""
    at = moment(value)
    if at is None:
        return Markup("–")
    at = at.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(timespec="seconds"), at.strftime("%-d %b %Y, %H:%M"))


def ago(value: Any, now: datetime | None = None) -> str:
    """Write how long ago something was."""
    at = moment(value)
    if at is None:
        return "never"
    seconds = ((now or datetime.now(UTC)) - at).total_seconds()
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if abs(seconds) >= size:
            count = int(abs(seconds) // size)
            return f"{count} {unit}{'s' if count > 1 else ''} ago" if seconds > 0 else f"in {count} {unit}{'s' if count > 1 else ''}"
    return "just now" if seconds >= 0 else "in a moment"


def pretty(value: Any) -> str:
    """Write a document as indented JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def query(base: dict[str, Any], **changes: Any) -> str:
    """Return a query string with some values changed; empty ones fall away."""
    merged = {**base, **changes}
    return "?" + urlencode({name: value for name, value in merged.items() if value not in (None, "")})
