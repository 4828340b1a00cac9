"""A model of the AMPscript that the recipe uses, after public documentation; it is not Marketing Cloud."""

import re
from dataclasses import dataclass, field
from typing import Any

from tests.recipes.ampscript_functions import FUNCTIONS, Rowset, Skipped, Stopped, shown

__all__ = ["Account", "Skipped", "Stopped"]

_PIECE = re.compile(
    r'%%\[(?P<script>.*?)\]%%|%%=(?P<show>.*?)=%%|%%(?:(?P<when>Before|After);)?HTTPGet(?:;(?P<empty>[12]))? "(?P<url>[^"]*)"%%',
    re.S | re.I,
)
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"[^"]*"|'[^']*')|(?P<number>\d+(?:\.\d+)?)|(?P<var>@\w+)|(?P<attribute>\[[^\]]+\])
    |(?P<op>==|!=|>=|<=|[><=(),])|(?P<word>\w+))""",
    re.X,
)
_COMPARE = {
    "==": lambda a, b: shown(a).lower() == shown(b).lower(),
    "!=": lambda a, b: shown(a).lower() != shown(b).lower(),
    ">": lambda a, b: float(a) > float(b),
    "<": lambda a, b: float(a) < float(b),
    ">=": lambda a, b: float(a) >= float(b),
    "<=": lambda a, b: float(a) <= float(b),
}
Token = tuple[str, str]


@dataclass
class Account:
    """A business unit: how it reads text, and the answers it keeps for one send."""

    charset: str = "utf-8"
    cache: dict[str, tuple[int, str]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def render(self, source: str, subscriber: dict[str, str]) -> str:
        """Build the message of a subscriber; raises Skipped, or Stopped when the send would fail."""
        return _Run(self, {name.lower(): value for name, value in subscriber.items()}, _tokens(source)).all()


def _tokens(source: str) -> list[Token]:
    """Turn a message into one list of tokens, with `print` and `show` for what stands between scripts."""
    out: list[Token] = []
    at = 0
    for piece in _PIECE.finditer(source):
        if piece.start() > at:
            out.append(("print", source[at : piece.start()]))
        at = piece.end()
        if piece["script"] is not None:
            out += _lexed(piece["script"])
        elif piece["show"] is not None:
            out += [("show", ""), *_lexed(piece["show"]), ("end", "")]
        else:
            empty = piece["empty"] or "0"
            out += [("show", ""), *_lexed(f'HTTPGet("{piece["url"]}", false, {empty}, @_syndication)'), ("end", "")]
    return [*out, ("print", source[at:]), ("stop", "")]


def _lexed(script: str) -> list[Token]:
    out: list[Token] = []
    at = 0
    script = re.sub(r"/\*.*?\*/", " ", script, flags=re.S).rstrip()
    while at < len(script):
        found = _TOKEN.match(script, at)
        if found is None:
            raise Stopped(f"cannot be read: {script[at : at + 30]!r}")
        assert found.lastgroup
        out.append((found.lastgroup, found[found.lastgroup]))
        at = found.end()
    return out


class _Run:
    """Walks the tokens of one message; `live` is false inside branches not taken."""

    def __init__(self, account: Account, subscriber: dict[str, str], tokens: list[Token]) -> None:
        self.account = account
        self.subscriber = subscriber
        self.tokens = tokens
        self.at = 0
        self.values: dict[str, Any] = {}
        self.out: list[str] = []

    def all(self) -> str:
        """Run to the end."""
        self.block(set(), True)
        return "".join(self.out)

    def block(self, ends: set[str], live: bool) -> str:
        """Run statements up to one of the words in `ends`, and return that word."""
        while True:
            kind, text = self.tokens[self.at]
            word = text.lower() if kind == "word" else kind
            self.at += 1
            if word in ends:
                return word
            if kind == "stop":
                if ends:
                    raise Stopped(f"missing {' or '.join(sorted(ends))}")
                return word
            self.statement(word, text, live)

    def statement(self, word: str, text: str, live: bool) -> None:
        """Run one statement."""
        if word == "print":
            self.out += [text] if live else []
        elif word == "show":
            value = self.expression(live)
            self.take("end")
            self.out += [shown(value)] if live else []
        elif word == "set":
            name = self.take("var")
            self.take("=")
            value = self.expression(live)
            if live:
                self.values[name.lower()] = value
        elif word == "if":
            self.branches(live)
        elif word == "for":
            self.loop(live)
        else:
            raise Stopped(f"not a statement: {text!r}")

    def branches(self, live: bool) -> None:
        """Run IF, ELSEIF, ELSE, ENDIF."""
        taken = False
        ended = "elseif"
        while ended in ("elseif", "else"):
            wanted = True
            if ended == "elseif":
                wanted = bool(self.expression(live and not taken))
                self.take("then")
            now = live and not taken and wanted
            taken = taken or now
            ended = self.block({"elseif", "else", "endif"}, now)

    def loop(self, live: bool) -> None:
        """Run FOR @n = a TO b DO ... NEXT @n."""
        name = self.take("var").lower()
        self.take("=")
        first = self.expression(live)
        self.take("to")
        last = self.expression(live)
        self.take("do")
        start = self.at
        numbers = list(range(int(first), int(last) + 1)) if live else []
        for number in numbers or [None]:
            self.at = start
            if number is not None:
                self.values[name] = number
            self.block({"next"}, bool(numbers))
            if self.tokens[self.at][0] == "var":
                self.at += 1

    def expression(self, live: bool) -> Any:
        """Read a value, or a comparison of two; nothing is called when not live."""
        left = self.value(live)
        if self.tokens[self.at][1] in _COMPARE:
            operator = self.take()
            right = self.value(live)
            return _COMPARE[operator](left, right) if live else False
        return left

    def value(self, live: bool) -> Any:
        """Read a literal, variable, attribute or function call."""
        kind, text = self.tokens[self.at]
        self.at += 1
        if kind == "text":
            return text[1:-1]
        if kind == "number":
            return float(text) if "." in text else int(text)
        if kind == "var":
            return self.values.get(text.lower(), "")
        if kind == "word" and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if kind == "word" and self.tokens[self.at][1] == "(":
            return self.call(text.lower(), live)
        if kind in ("word", "attribute"):
            return self.subscriber.get(text.strip("[]").lower(), "")
        raise Stopped(f"not a value: {text!r}")

    def call(self, name: str, live: bool) -> Any:
        """Call a function; a variable as an argument can receive a value."""
        self.take("(")
        values: list[Any] = []
        names: list[str] = []
        while self.tokens[self.at][1] != ")":
            kind, text = self.tokens[self.at]
            names.append(text.lower() if kind == "var" else "")
            values.append(self.expression(live))
            if self.tokens[self.at][1] == ",":
                self.at += 1
        self.take(")")
        if not live:
            return Rowset() if name == "buildrowsetfromjson" else 0
        if name not in FUNCTIONS:
            raise Stopped(f"no function {name}")

        def give(place: int, value: Any) -> None:
            if place < len(names) and names[place]:
                self.values[names[place]] = value

        return FUNCTIONS[name](self.account, values, give)

    def take(self, wanted: str = "") -> str:
        """Step over a token, which must be the one wanted."""
        kind, text = self.tokens[self.at]
        self.at += 1
        if wanted and wanted not in (kind, text.lower()):
            raise Stopped(f"{wanted} expected, not {text!r}")
        return text
