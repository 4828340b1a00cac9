"""The sandbox in which marketers' Liquid runs: escaped by default, bounded in work, without a way to other files."""

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any

from liquid import Environment
from liquid.exceptions import LiquidError
from liquid.template import BoundTemplate
from liquid.undefined import Undefined
from markupsafe import Markup

from app.content.escaping import neutral_html, neutral_tags, neutral_text

# `safe` would let catalogue text through unescaped; `join` and base64 do unbounded work in one call.
_FORBIDDEN_FILTERS = ("safe", "join", "base64_decode", "base64_encode", "base64_url_safe_decode", "base64_url_safe_encode", "escapejs")
_FORBIDDEN_TAGS = ("include", "render", "increment", "decrement")
_RANGE = re.compile(r"\(\s*[\w.\-'\"]+\s*\.\.")
_FOR = re.compile(r"\{%-?\s*(?:for|tablerow)\b.*?%\}", re.S)
MAX_SOURCE = 100_000


class BadTemplate(ValueError):
    """A template that cannot be used; the message says why."""


class _Environment(Environment):
    loop_iteration_limit = 5_000
    output_stream_limit = 300_000
    local_namespace_limit = 200_000
    context_depth_limit = 20
    block_nesting_limit = 20


class Shown(str):
    """Catalogue text inside an HTML template; it escapes itself when it is put out, also after a filter."""

    __slots__ = ()

    def __html__(self) -> str:
        return neutral_html(self)


def _keeps_shown(call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    def wrapped(*values: Any, **named: Any) -> Any:
        out = call(*values, **named)
        return _marked(out) if any(isinstance(value, Shown) for value in values) else out

    return wrapped


def _marked(out: Any) -> Any:
    if isinstance(out, Markup):  # a filter escaped it, which leaves template tags whole
        return finished(neutral_tags(out))
    if isinstance(out, list):
        return [_marked(part) for part in out]
    return Shown(out) if type(out) is str else out


def _environment(autoescape: bool) -> Environment:
    environment = _Environment(autoescape=autoescape, undefined=Undefined, strict_filters=True)
    for name in _FORBIDDEN_FILTERS:
        environment.filters.pop(name, None)
    if autoescape:
        for name, call in list(environment.filters.items()):
            environment.filters[name] = _keeps_shown(call)
    for name in _FORBIDDEN_TAGS:
        environment.tags.pop(name, None)
    return environment


_HTML = _environment(autoescape=True)
_TEXT = _environment(autoescape=False)


def compiled(source: str, *, html: bool) -> BoundTemplate:
    """Compile a template; raises BadTemplate with the line that is wrong."""
    if len(source) > MAX_SOURCE:
        raise BadTemplate(f"the template is longer than {MAX_SOURCE} characters")
    if _RANGE.search(_FOR.sub("", source)):
        raise BadTemplate("a range like (1..9) may only stand in a `for` tag")
    environment = _HTML if html else _TEXT
    try:
        template = environment.from_string(source)
        unknown = sorted(set(template.analyze().filters) - set(environment.filters))
    except LiquidError as error:
        raise BadTemplate(str(error)) from error
    if unknown:
        raise BadTemplate(f"unknown or forbidden filter: {', '.join(unknown)}")
    return template


def rendered(template: BoundTemplate, values: Mapping[str, Any]) -> str:
    """Render within the limits; raises BadTemplate when the template does too much or goes wrong."""
    try:
        return str(template.render(**values))
    except (LiquidError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise BadTemplate(str(error)) from error


def shown(text: str, *, html: bool) -> str:
    """Prepare catalogue text for a template of this kind."""
    return Shown(text) if html else neutral_text(text)


def finished(markup: str) -> Markup:
    """Mark rendered HTML as finished."""
    return Markup(markup)  # noqa: S704 - made by a template of ours
