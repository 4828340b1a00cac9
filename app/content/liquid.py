"""The sandbox in which marketers' Liquid runs: escaped by default, bounded in work, without a way to other files."""

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from liquid import Environment
from liquid.ast import Node
from liquid.builtin.expressions.loop import LoopExpression
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.exceptions import LiquidError
from liquid.expression import Expression
from liquid.template import BoundTemplate
from liquid.undefined import Undefined
from markupsafe import Markup

from app.content.bounds import Clock, Context, OutOfTime, bounded, running
from app.content.escaping import neutral_tags
from app.content.formats import Format

# `safe` would let catalogue text through unescaped; `join` and base64 do unbounded work in one call.
_FORBIDDEN_FILTERS = ("safe", "join", "base64_decode", "base64_encode", "base64_url_safe_decode", "base64_url_safe_encode", "escapejs")
_FORBIDDEN_TAGS = ("include", "render", "increment", "decrement")
MAX_SOURCE = 100_000
# What a template may take for one answer. Others wait meanwhile, so what takes as long is put aside.
SERVE_S = 0.1


class BadTemplate(ValueError):
    """A template that cannot be used; the message says why."""


class TooSlow(BadTemplate):
    """A template that takes more time than an answer has for it."""


class _Bound(BoundTemplate):
    context_class = Context


class _Environment(Environment):
    template_class = _Bound
    loop_iteration_limit = 5_000
    output_stream_limit = 300_000
    local_namespace_limit = 200_000
    context_depth_limit = 20
    block_nesting_limit = 20


class Shown(str):
    """Catalogue text inside a template that escapes; it escapes itself when it is put out, also after a filter."""

    __slots__ = ()


@functools.cache
def _shown(escape: Callable[[str], str]) -> type[Shown]:
    """Return the text that a way of escaping makes safe."""
    return type("Shown", (Shown,), {"__slots__": (), "__html__": lambda text: escape(text)})


def _keeps_shown(call: Callable[..., Any], kind: type[Shown]) -> Callable[..., Any]:
    @functools.wraps(call)
    def wrapped(*values: Any, **named: Any) -> Any:
        out = call(*values, **named)
        return _marked(out, kind) if any(isinstance(value, Shown) for value in values) else out

    return wrapped


def _marked(out: Any, kind: type[Shown]) -> Any:
    if isinstance(out, Markup):  # a filter escaped it, which leaves template tags whole
        return Markup(neutral_tags(out))  # noqa: S704 - made of markup
    if isinstance(out, list):
        return [_marked(part, kind) for part in out]
    return kind(out) if type(out) is str else out


@functools.cache
def _environment(escape: Callable[[str], str] | None) -> Environment:
    environment = _Environment(autoescape=escape is not None, undefined=Undefined, strict_filters=True)
    for name in _FORBIDDEN_FILTERS:
        environment.filters.pop(name, None)
    for name, call in list(environment.filters.items()):
        environment.filters[name] = bounded(name, call if escape is None else _keeps_shown(call, _shown(escape)))
    for name in _FORBIDDEN_TAGS:
        environment.tags.pop(name, None)
    # Line breaks are content in plain text: Liquid drops a block that holds nothing else, and two addresses would run into one another.
    environment.suppress_blank_control_flow_blocks = escape is not None
    return environment


def compiled(source: str, form: Format) -> BoundTemplate:
    """Compile a template; raises BadTemplate with the line that is wrong."""
    if len(source) > MAX_SOURCE:
        raise BadTemplate(f"the template is longer than {MAX_SOURCE} characters")
    environment = _environment(form.escape)
    try:
        template = environment.from_string(source)
        unknown = sorted(set(template.analyze().filters) - set(environment.filters))
    except LiquidError as error:
        raise BadTemplate(str(error)) from error
    except RecursionError:
        raise BadTemplate("it is nested too deeply") from None
    if any(_has_range(node, Context(template)) for node in template.nodes):
        raise BadTemplate("a range like (1..9) may only stand in a `for` tag")
    if unknown:
        raise BadTemplate(f"unknown or forbidden filter: {', '.join(unknown)}")
    return template


def _has_range(node: Node, context: Context) -> bool:
    """Tell whether a range stands elsewhere than as what a loop goes through."""
    mine = any(isinstance(inner, RangeLiteral) for one in node.expressions() for inner in _inside(one))
    return mine or any(_has_range(child, context) for child in node.children(context, include_partials=False))


def _inside(expression: Expression) -> Iterator[Expression]:
    yield expression
    for child in expression.children():
        if not (isinstance(expression, LoopExpression) and isinstance(child, RangeLiteral)):
            yield from _inside(child)


def rendered(template: BoundTemplate, values: Mapping[str, Any], clock: Clock | None = None) -> str:
    """Render within the limits and the time of a clock; raises BadTemplate when the template does too much or goes wrong."""
    try:
        with running(clock or Clock(SERVE_S)):
            return str(template.render(**values))
    except OutOfTime as error:
        raise TooSlow(str(error).split("\n", 1)[0]) from error
    except (LiquidError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise BadTemplate(str(error)) from error


def shown(values: Mapping[str, Any], form: Format) -> dict[str, Any]:
    """Return the values of an item as a template of this format may read them."""
    ready = shown_text(form)
    return {name: ready(value) if isinstance(value, str) else value for name, value in values.items()}


def shown_text(form: Format) -> Callable[[str], str]:
    """Return what makes text from outside ready for templates of a format."""
    return form.neutralise if form.escape is None else _shown(form.escape)


def finished(rendered: str, form: Format) -> str:
    """Mark what a template rendered as finished, so that nothing escapes it again."""
    return rendered if form.escape is None else Markup(rendered)  # noqa: S704 - made by a template of ours
