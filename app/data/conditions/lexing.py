"""From the text of a condition to its words. Pure."""

import re
from typing import NamedTuple

from app.data.conditions.syntax import MOST_CHARACTERS, Wrong

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<number>(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?(?P<percent>\s*%)?(?![\w.]))
    |(?P<name>[^\W\d]\w*)
    |(?P<piece>\d\w*)
    |(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<op><=|>=|!=|==|<>|&&|\|\||[-+*/()<>=,.\[\]?:!])""",
    re.VERBOSE | re.DOTALL,
)
_SAME = {"==": "=", "<>": "!=", "&&": "and", "||": "or", "!": "not"}
_ESCAPES = {"n": "\n", "t": "\t"}


class Token(NamedTuple):
    """A word: its kind (number, name, piece of a name that begins with a digit, text, op, end), what it says, and where it stands."""

    kind: str
    said: str
    place: int
    number: float = 0.0


def tokens(text: str) -> list[Token]:
    """Return the words of a text; raises Wrong."""
    if len(text) > MOST_CHARACTERS:
        raise Wrong(f"longer than {MOST_CHARACTERS:,} characters")
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            if text[at] in "\"'":
                raise Wrong("this text has no end: a quote is missing", at + 1)
            raise Wrong(f"{text[at]!r} has no meaning here", at + 1)
        kind, said = _kind(match), match.group()
        if kind == "number":
            value = float(said.rstrip("%").rstrip())
            if value in (float("inf"), float("-inf")):
                raise Wrong(f"{said} is too large", at + 1)
            found.append(Token(kind, said, at + 1, value / 100 if match.group("percent") else value))
        elif kind == "text":
            plain = re.sub(r"\\(.)", lambda one: _ESCAPES.get(one.group(1), one.group(1)), said[1:-1], flags=re.DOTALL)
            found.append(Token(kind, plain, at + 1))
        elif kind == "op":
            found.append(Token("name" if said in ("&&", "||", "!") else kind, _SAME.get(said, said), at + 1))
        elif kind != "space":
            found.append(Token(kind, said, at + 1))
        at = match.end()
    return [*found, Token("end", "the end", len(text) + 1)]


def _kind(match: re.Match[str]) -> str:
    return next(name for name in ("space", "number", "name", "piece", "text", "op") if match.group(name) is not None)
