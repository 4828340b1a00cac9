"""JSON documents of a file one at a time: a list of objects, an object that holds the list, or pretty-printed objects in a row."""

import codecs
import json
import re
from collections.abc import Iterator
from typing import IO, Any

from app.data.imports.files import LARGEST_LINE, FileFault

_READ_BYTES = 262_144
_WRAPPED = re.compile(r'\s*\{\s*"(?:products|items|data|results)"\s*:\s*\[')
_LIST = re.compile(r"\s*\[")
_BETWEEN = re.compile(r"[\s,]*")
_DECODER = json.JSONDecoder()


def looks_like_one(start: bytes) -> bool:
    """Tell whether a file that begins so is one document, or several that go over lines, rather than one object a line."""
    text = start.decode("utf-8-sig", "replace")
    first = text.lstrip().partition("\n")[0].strip()
    return text.lstrip().startswith("[") or bool(_WRAPPED.match(text)) or first == "{"


def documents(name: str, stream: IO[bytes]) -> Iterator[tuple[int, Any]]:
    """Give (line, value) of each object; raises FileFault at the first place that is not JSON."""
    text = _Text(name, stream)
    text.more()
    head = _WRAPPED.match(text.buffer) or _LIST.match(text.buffer)
    text.skip(head.end() if head else 0)
    while True:
        if between := _BETWEEN.match(text.buffer, text.at):
            text.skip(between.end())
        if text.at >= len(text.buffer):
            if text.ended:
                return
            text.more()
            continue
        if text.buffer[text.at] == "]":
            return
        try:
            value, end = _DECODER.raw_decode(text.buffer, text.at)
        except (json.JSONDecodeError, RecursionError) as error:
            if text.ended or len(text.buffer) - text.at > LARGEST_LINE:
                raise FileFault(f"{name}: not valid JSON near line {text.line} ({error})") from None
            text.more()
            continue
        yield text.line, value
        text.skip(end)


class _Text:
    """What was read, up to where it is used, and the line of that place."""

    def __init__(self, name: str, stream: IO[bytes]) -> None:
        self._name = name
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self.buffer = ""
        self.at = 0
        self.line = 1
        self.ended = False

    def more(self) -> None:
        """Read on, and forget what was used."""
        left = self.buffer[self.at :]
        # a document longer than a piece is tried again over twice as much each time
        raw = self._stream.read(max(_READ_BYTES, len(left)))
        self.ended = not raw
        try:
            self.buffer, self.at = left + self._decoder.decode(raw, final=not raw), 0
        except UnicodeDecodeError:
            raise FileFault(f"{self._name}: not valid UTF-8 near line {self.line}") from None

    def skip(self, to: int) -> None:
        """Go on to a place."""
        self.line += self.buffer.count("\n", self.at, to)
        self.at = to
