"""Tables: columns that can be chosen and sorted, rows that lead somewhere, and the way to the next page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Column:
    """A column: `key` of each row; `kind` is text, number, amount (two decimals), share, when, ago, badge, code or picture.

    `wide` ones hide on a phone. A badge's value is a text, or a text with good, warn, bad or info.
    """

    key: str
    title: str
    kind: str = "text"
    sortable: bool = True
    wide: bool = False


@dataclass(frozen=True)
class Table:
    """What a table shows; `link` is the key of a row's address, `next` the address of the page behind,
    `total` how many there are in all."""

    name: str
    columns: Sequence[Column]
    rows: Sequence[dict[str, Any]]
    link: str = ""
    next: str = ""
    total: int | None = None
    empty: str = "There is nothing here yet."
    too_much: str = ""
