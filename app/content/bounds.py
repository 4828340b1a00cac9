"""What a template may cost: a clock that loops and filters look at, and lengths that are checked before a filter makes anything of them."""

import functools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from liquid import RenderContext
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.builtin.tags.for_tag import ForLoop
from liquid.builtin.tags.tablerow_tag import TableRow
from liquid.exceptions import LiquidValueError, ResourceLimitError
from liquid.limits import to_int
from liquid.undefined import Undefined

LONGEST_TEXT = 60_000
LONGEST_LIST = 1_000
LONGEST_RANGE = 5_000
_LONGEST_DATE = 200
_MOST_BITS = 1_024
_MOST_DIGITS = 30
# What `strip_html` does for one text: it looks for an end from every `<`.
_MOST_STEPS = 2_000_000


class OutOfTime(ResourceLimitError):
    """A template took longer than it may."""


class Clock:
    """Time for what is rendered for one answer, of the processor: on a busy machine waiting costs a template nothing."""

    __slots__ = ("_left", "_used_until", "_wall_until")

    def __init__(self, seconds: float) -> None:
        self._left = seconds
        self._wall_until = time.monotonic() + seconds
        self._used_until = time.thread_time() + seconds

    def tick(self) -> None:
        """Raise OutOfTime when the time is used up."""
        if time.monotonic() > self._wall_until:
            left = self._used_until - time.thread_time()
            if left <= 0:
                raise OutOfTime(f"it takes more than {self._left * 1000:g} ms", token=None)
            self._wall_until = time.monotonic() + left


class _Running(threading.local):
    clock: Clock | None = None


_running = _Running()


@contextmanager
def running(clock: Clock) -> Iterator[None]:
    """Let what is rendered in this block, in this thread, look at a clock."""
    before, _running.clock = _running.clock, clock
    try:
        yield
    finally:
        _running.clock = before


def _tick() -> None:
    if _running.clock is not None:
        _running.clock.tick()


class Context(RenderContext):
    """A context whose loops look at the clock before each turn."""

    @contextmanager
    def loop(self, namespace: Mapping[str, object], forloop: ForLoop | TableRow) -> Iterator[RenderContext]:
        """Begin a loop."""
        forloop.it = _ticking(forloop.it)
        with super().loop(namespace, forloop) as context:
            yield context


def _ticking(turns: Iterator[Any]) -> Iterator[Any]:
    for turn in turns:
        _tick()
        yield turn


def _short_range(self: RangeLiteral, start: Any, stop: Any) -> range:
    first, last = _whole(start), _whole(stop)
    if last - first >= LONGEST_RANGE:
        raise LiquidValueError(f"a range has at most {LONGEST_RANGE} numbers", token=None)
    return range(first, last + 1)


def _whole(value: Any) -> int:
    try:
        return to_int(value)
    except (ValueError, TypeError, OverflowError):
        return 0


# the parser makes ranges itself, and `offset` passes by the limit on turns: there is no other place
RangeLiteral._make_range = _short_range  # type: ignore[method-assign]


def bounded(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter that looks at the clock, and raises before it would make something too long."""

    @functools.wraps(call)
    def wrapper(*values: Any, **named: Any) -> Any:
        _tick()
        _check(name, values, {key: value for key, value in named.items() if key not in ("environment", "context")})
        out = call(*values, **named)
        _fits(out)
        return out

    return wrapper


def _check(name: str, values: tuple[Any, ...], named: Mapping[str, Any]) -> None:
    given = [value for value in (*values, *named.values()) if not isinstance(value, Undefined)]
    for value in given:
        _fits(value)
    texts = [value if isinstance(value, str) else str(value) for value in given if isinstance(value, (str, int, float))]
    length = 0
    if name in ("replace", "replace_first", "replace_last") and len(texts) == 3:
        text, old, new = texts
        times = text.count(old) if name == "replace" else 1
        length = len(text) + times * len(new)
    elif name == "join" and isinstance(values[0], (list, tuple)):
        between = len(str(values[1])) if len(values) > 1 else 1
        length = sum(len(str(part)) + between for part in values[0])
    elif name == "strip_html" and texts:
        length = LONGEST_TEXT + 1 if texts[0].count("<") * len(texts[0]) > _MOST_STEPS else 0
    elif name == "date":
        length = LONGEST_TEXT + 1 if any(len(text) > _LONGEST_DATE for text in texts) else 0
    elif name == "split" and len(values) > 1 and isinstance(values[0], str):
        parts = values[0].count(str(values[1])) if values[1] not in ("", None) else len(values[0])
        length = LONGEST_TEXT + 1 if parts > LONGEST_LIST else 0
    elif name in ("round", "slice", "truncate", "truncatewords"):
        _small(name, values[1:])
    if length > LONGEST_TEXT:
        raise LiquidValueError(f"{name} would make more than {LONGEST_TEXT} characters or {LONGEST_LIST} parts", token=None)


def _small(name: str, numbers: tuple[Any, ...]) -> None:
    most = _MOST_DIGITS if name == "round" else LONGEST_TEXT
    if any(isinstance(number, (int, float, str)) and abs(_whole(number)) > most for number in numbers):
        raise LiquidValueError(f"{name} takes numbers up to {most}", token=None)


def _fits(value: Any) -> None:
    if isinstance(value, str):
        if len(value) > LONGEST_TEXT:
            raise LiquidValueError(f"a text in a template has at most {LONGEST_TEXT} characters", token=None)
    elif isinstance(value, (list, tuple, range)):
        most = LONGEST_RANGE if isinstance(value, range) else LONGEST_LIST
        if len(value) > most:
            raise LiquidValueError(f"a list in a template has at most {most} parts", token=None)
    elif isinstance(value, int) and value.bit_length() > _MOST_BITS:
        raise LiquidValueError("a number in a template is too large", token=None)
