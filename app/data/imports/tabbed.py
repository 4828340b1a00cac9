"""Tab-separated rows: a quote belongs to the text, unless it encloses a whole field as spreadsheets write it."""

import re
from collections.abc import Callable, Iterator

_QUOTED = re.compile(r'"((?:[^"]|"")*)"(?=\t|\r?\n?$)')
# lines that one quoted field may go over
_MOST_LINES = 200


class Tabbed:
    """Iterates over rows like a `csv.reader`; `again` gives lines back that were read in vain."""

    def __init__(self, lines: Iterator[str], again: Callable[[list[str]], None]) -> None:
        self._lines = lines
        self._again = again
        self.line_num = 0

    def __iter__(self) -> Iterator[list[str]]:
        return self

    def __next__(self) -> list[str]:
        line = next(self._lines)
        self.line_num += 1
        if '"' not in line:
            line = line.rstrip("\r\n")
            return line.split("\t") if line else []
        fields, open_ = _fields(line)
        return self._longer(line) or fields if open_ else fields

    def _longer(self, line: str) -> list[str] | None:
        """Read on to where an open field is closed; None where that is nowhere near, and nothing was read."""
        more: list[str] = []
        for following in self._lines:
            more.append(following)
            if '"' in following:
                fields, open_ = _fields("".join([line, *more]))
                if not open_:
                    self.line_num += len(more)
                    return fields
            if len(more) >= _MOST_LINES:
                break
        self._again(more)
        return None


def _fields(text: str) -> tuple[list[str], bool]:
    """Split a row; also tell whether a field begins with a quote that nothing closes."""
    found: list[str] = []
    open_ = False
    at, end = 0, len(text.rstrip("\r\n"))
    while at <= end:
        quoted = _QUOTED.match(text, at) if text.startswith('"', at) else None
        if quoted:
            found.append(quoted[1].replace('""', '"'))
            at = quoted.end() + 1
            continue
        stop = text.find("\t", at, end)
        stop = end if stop < 0 else stop
        field = text[at:stop]
        open_ = open_ or (field.startswith('"') and field.count('"') % 2 == 1)
        found.append(field)
        at = stop + 1
    return found, open_
