"""What a file is likely to be: its dialect, which column holds what, and how it writes prices, moments and kinds."""

import re
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from pathlib import Path

from app.data.catalogue import shops
from app.data.catalogue.feed_files import spelled
from app.data.events.formats.names import kind_of
from app.data.events.formats.times import parse_moment
from app.data.kinds import KIND_NAMES
from app.data.uploads import sampling
from app.data.uploads.domain import ITEM_FIELDS, Options, What
from app.data.uploads.sampling import Raw
from app.data.uploads.words import fields_of, squeezed

ROWS = 500
_SHOP_PRICES = frozenset({"variant_price", "regular_price", "price", "sale_price", "special_price"})
_COMMA, _POINT = re.compile(r"\d,\d{1,2}(?!\d)"), re.compile(r"\d\.\d{1,2}(?!\d)")
_WRITTEN = (
    "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y", "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y",
    "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y", "%d-%m-%Y %H:%M:%S", "%d-%m-%Y %H:%M", "%d-%m-%Y",
    "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y/%m/%d", "%d.%m.%y %H:%M", "%d.%m.%y", "%m/%d/%y %H:%M", "%m/%d/%y",
    "%m/%d/%Y %I:%M %p", "%m/%d/%Y %I:%M:%S %p", "%d %b %Y %H:%M", "%d %b %Y", "%b %d, %Y", "%a, %d %b %Y %H:%M:%S %z",
)  # fmt: skip


def columns_of(rows: Iterable[Raw]) -> list[str]:
    """Return the columns that rows have, in the order in which they are met."""
    return list(dict.fromkeys(name for row in rows for name in row.values if name))


def guess(path: Path, what: What, file_name: str) -> tuple[Options, list[str]]:
    """Return how a file is to be read, and what is to be known of it; raises FileFault."""
    kind = sampling.format_of(path, what)
    options, notes = Options(), [f"read as {_FORMATS[kind]}"]
    if kind in ("csv", "tsv"):
        options.encoding = sampling.encoding_of(path)
        mark = sampling.delimiter_of(path, options.encoding)
        notes.append(f"text in {options.encoding}" + (f", columns separated by {_MARKS.get(mark, mark)}" if mark else ", one column"))
        if what == "events":
            options.delimiter = mark.replace("\t", "\\t")
    if what == "events":
        options.format, options.source = kind, re.sub(r"[^\w.-]+", "-", Path(file_name).stem)[:100] or "upload"  # type: ignore[assignment]
    with sampling.rows(path, what, options) as found:
        rows = list(islice(found, ROWS))
    columns = columns_of(rows)
    if what == "items":
        notes += _items(options, columns, rows, kind)
    else:
        notes += _events(options, columns, rows)
    return options, notes


_FORMATS = {
    "csv": "delimited text", "tsv": "tab-separated text", "json": "JSON", "jsonl": "JSON lines", "xml": "XML", "xlsx": "a spreadsheet",
}  # fmt: skip
_MARKS = {"\t": "tabs", ";": "semicolons", ",": "commas", "|": "bars"}


def shop_of(columns: list[str], rows: list[Raw], kind: str) -> str:
    """Return the shop system that wrote a file; empty for none that is known."""
    fields = [spelled(name) for name in columns]
    if kind in ("csv", "tsv", "xlsx"):
        shop = shops.reader_of(fields) if "id" not in fields or "regular_price" in fields else None
        return shop[0] if shop else ""
    known = set(columns)
    return "Shopify" if {"variants", "handle"} <= known else "WooCommerce" if {"permalink", "stock_status"} <= known else ""


def _items(options: Options, columns: list[str], rows: list[Raw], kind: str) -> list[str]:
    notes = []
    if shop := shop_of(columns, rows, kind):
        notes.append(f"an export of {shop}: its columns are known, nothing needs to be mapped")
        prices = [value for row in rows for name, value in row.values.items() if spelled(name) in _SHOP_PRICES]
        mapped = set()
    else:
        for column, field in fields_of("items", columns).items():
            if field != (spelled(column) if kind in ("csv", "tsv", "xlsx") else column):
                options.columns[column] = field
        mapped = {field_of(options, name) for name in columns}
        prices = [row.values.get(name, "") for row in rows for name in columns if field_of(options, name) in ("price", "sale_price")]
        notes += [f"no column holds the {field}" for field in ("id", "title", "price") if field not in mapped]
    if "currency" not in mapped and prices and not any(re.search(r"[^\d\s.,'’-]", value) for value in prices if value):
        notes.append("prices name no currency: say which it is")
    options.decimal = decimal_of(prices)  # type: ignore[assignment]
    if options.decimal and not any(_ambiguous(value) for value in prices):
        options.decimal = ""
    return notes


def field_of(options: Options, column: str) -> str:
    """Return the field of items that a column fills; empty for one that is kept under its own name, or left out."""
    if column in options.columns:
        return options.columns[column]
    own = spelled(column)
    return own if own in ITEM_FIELDS and own not in options.columns.values() else ""


def decimal_of(values: Iterable[str]) -> str:
    """Return the mark before cents where all values that show one agree."""
    commas = points = 0
    for value in values:
        commas += bool(_COMMA.search(value))
        points += bool(_POINT.search(value))
    return "," if commas and not points else "." if points and not commas else ""


def _ambiguous(value: str) -> bool:
    return bool(re.search(r"(?<!\d)[1-9]\d{0,2}[.,]\d{3}(?![\d.,])", value))


def _events(options: Options, columns: list[str], rows: list[Raw]) -> list[str]:
    options.columns = fields_of("events", columns)
    by_field = {field: column for column, field in options.columns.items()}
    notes = []

    def values(field: str) -> list[str]:
        return [text for row in rows if field in by_field and (text := row.values.get(by_field[field], "").strip())]

    options.decimal = decimal_of([*values("price"), *values("line_total"), *values("quantity")])  # type: ignore[assignment]
    if options.decimal == ".":
        options.decimal = ""
    form, told = form_of(values("occurred_at"))
    options.time_format = form
    notes += told
    if "kind" not in by_field:
        rated = squeezed(by_field.get("quantity", "")) in ("rating", "score", "stars", "bewertung")
        options.kind = "rating" if rated else "purchase" if {"order_id", "quantity", "price", "line_total"} & set(by_field) else "view"
        notes.append(f"no column says what people did: every row is taken for a {options.kind}")
    else:
        options.kinds = {word: "" for word, _ in Counter(values("kind")).most_common(100) if not known_kind(word)}
    if not {"user_id", "anonymous_id", "email"} & set(by_field):
        notes.append("no column names a person")
    if "occurred_at" not in by_field:
        notes.append("no column says when it happened")
    return notes


def known_kind(word: str) -> bool:
    """Tell whether a word names a kind of event without being explained."""
    return word.lower() in KIND_NAMES or kind_of(word) is not None


def form_of(values: list[str]) -> tuple[str, list[str]]:
    """Return how moments are written, empty for ISO 8601 and unix time, and what is to be known of it."""
    if not values or all(parse_moment(value) is not None for value in values):
        return "", []
    fit = [form for form in _WRITTEN if all(_reads(value, form) for value in values[:200])]
    if not fit:
        return "", [f"moments such as {values[0][:40]!r} cannot be read: say how they are written"]
    other = fit[0].replace("%d/%m", "%m/%d")
    if other != fit[0] and other in fit:
        return fit[0], ["days and months cannot be told apart: the first number is taken for the day"]
    return fit[0], []


def _reads(value: str, form: str) -> bool:
    try:
        datetime.strptime(value, form)
    except ValueError:
        return False
    return True
