"""Structured logs: one JSON object a line on standard error, with names of secrets struck out."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO, cast

import structlog

# Fields that must never reach a log, whoever passes them.
_HIDDEN = frozenset(
    {"authorization", "token", "access_token", "secret", "client_secret", "key", "api_key", "password", "user_id", "email", "anonymous_id"}
)

log: structlog.stdlib.BoundLogger = structlog.get_logger("morsel")


class _StandardError:
    """Standard error as it is when a line is written: somebody may have put another stream in its place since the start."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def _strike(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in _HIDDEN.intersection(event):
        event[name] = "[hidden]"
    return event


def configure(level: str = "info", shape: str = "json") -> None:
    """Send all logs of this process to standard error in the given shape."""
    number = getattr(logging, level.upper())
    render: Any = structlog.processors.JSONRenderer() if shape == "json" else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _strike,
            structlog.processors.format_exc_info,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _StandardError())),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s", force=True)
