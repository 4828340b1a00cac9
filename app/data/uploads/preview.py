"""What would come of a file: its first rows as they stand beside what they would land, counts, and how its spellings are read."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel

from app.core.ids import IdentityKind
from app.core.texts import readable
from app.data.catalogue.domain import Item, ItemRefused, read_item
from app.data.catalogue.feed_files import feed
from app.data.catalogue.values.availability import available
from app.data.catalogue.values.money import read_money
from app.data.events.domain import Event, Refused
from app.data.events.formats import amounts
from app.data.events.formats.names import kind_of
from app.data.events.formats.rows import compiled
from app.data.events.formats.times import parse_moment
from app.data.events.sources.opening import opened
from app.data.imports.files import FileFault
from app.data.kinds import KIND_NAMES
from app.data.uploads import sampling
from app.data.uploads.domain import BadOptions, Options, What, command
from app.data.uploads.guessing import columns_of, field_of, shop_of
from app.data.uploads.sampling import Raw
from app.data.uploads.schemas import ColumnOut, Preview, RowOut, WordOut

_LOOKED, _SHOWN = 2_000, 20
_LONGEST = 300
_MOST_WORDS = 30
# a row read: its line, what it would land, why it would not, and what would be left out of it
Read = tuple[int, dict[str, str], str, tuple[str, ...]]


def preview(path: Path, what: What, file_name: str, options: Options, max_bytes: int, notes: list[str]) -> Preview:
    """Read the first rows as an import would; what is wrong with the file as a whole stands in `fault`."""
    raw, read, fault = [], [], ""
    try:
        with sampling.rows(path, what, options) as rows:
            raw = list(islice(rows, _LOOKED))
        read = _items(path, options, max_bytes) if what == "items" else _events(path, options)
    except (FileFault, BadOptions) as reason:
        fault = str(reason)
    except (ValueError, LookupError) as reason:
        fault = f"{file_name}: cannot be read so ({str(reason)[:200]})"
    columns = columns_of(raw)
    texts = {one.line: one.values for one in raw}
    landing = sum(1 for one in read if not one[2])
    found: dict[str, Any] = dict(
        columns=_columns(what, options, columns, raw, path),
        rows=[_row(one, texts.get(one[0], {})) for one in read[:_SHOWN]] or [_bare(one) for one in raw[:_SHOWN]],
        looked=len(read),
        landing=landing,
        refused=len(read) - landing,
        reasons=dict(Counter(one[2] for one in read if one[2]).most_common(20)),
        warnings=dict(Counter(note for one in read for note in one[3]).most_common(20)),
        **_spellings(what, options, columns, raw),
        notes=notes,
        fault=fault,
        command=command(what, file_name, options),
        mapping=_toml(options) if what == "events" else "",
    )
    # a file that is in another encoding than it is read in holds what is no text
    return Preview.model_validate(readable({name: _plain(value) for name, value in found.items()}))


def _plain(value: Any) -> Any:
    return [one.model_dump() if isinstance(one, BaseModel) else one for one in value] if isinstance(value, list) else value


def _toml(options: Options) -> str:
    try:
        return options.toml()
    except BadOptions:
        return ""


def _items(path: Path, options: Options, max_bytes: int) -> list[Read]:
    assumed = options.assumed()
    found: list[Read] = []
    with feed(path, options.format, columns=options.columns, encoding=options.encoding, delimiter=options.mark) as one:
        for row in islice((row for row in one.rows if not row.passed), _LOOKED):
            try:
                if row.fault is not None:
                    raise ItemRefused(row.fault)
                item = read_item(assumed.settle(row.document), max_bytes=max_bytes)
            except ItemRefused as reason:
                found.append((row.line, {}, str(reason), ()))
            else:
                found.append((row.line, _item(item, row.document), "", item.notes))
    return found


def _item(item: Item, document: dict[str, Any]) -> dict[str, str]:
    price = f"{item.price:.2f} {item.currency}".strip() if item.price is not None else ""
    shown = {
        "id": item.item_id,
        "title": item.title,
        "price": price,
        "sale_price": f"{item.sale_price:.2f} {item.currency}".strip() if item.sale_price is not None else "",
        "availability": "in stock" if item.available else "not in stock",
        "category": item.category,
        "brand": item.brand,
        "item_group_id": item.group_id if item.group_id != item.item_id else "",
        "link": sampling.text(document.get("link")),
        "image_link": sampling.text(document.get("image_link")),
    }
    return {name: value[:_LONGEST] for name, value in shown.items() if value}


def _events(path: Path, options: Options) -> list[Read]:
    mapping = options.mapping()
    found: list[Read] = []
    kind = sampling.format_of(path, "events") if options.format == "auto" else options.format
    with opened(path, mapping, kind) as one:
        event = compiled(mapping, one.columns, strict_columns=kind != "jsonl")
        zone = ZoneInfo(mapping.timezone)
        for row in islice(one.rows, _LOOKED):
            try:
                if row.fault is not None:
                    raise Refused(row.fault)
                made, _ = event(row.values)
            except Refused as reason:
                found.append((row.line, {}, str(reason), ()))
            else:
                found.append((row.line, _event(made, zone), "", tuple(flaw.text for flaw in made.flaws)))
    return found


def _event(event: Event, zone: ZoneInfo) -> dict[str, str]:
    who = {IdentityKind(kind).name.lower(): value for kind, value in event.identities}
    shown = {
        **{name: "a hash of it" if name == "email_sha256" else str(value) for name, value in who.items()},
        "kind": event.kind.name.lower(),
        "name": event.name,
        "item_id": event.item_id or "",
        "occurred_at": event.occurred_at.astimezone(zone).isoformat(timespec="seconds"),
        "quantity": "" if event.quantity is None else f"{event.quantity:g}",
        "price": "" if event.value is None else f"{event.value:g}",
        "order_id": event.order_id or "",
        "country": event.country or "",
    }
    return {name: value[:_LONGEST] for name, value in shown.items() if value}


def _columns(what: What, options: Options, columns: list[str], raw: list[Raw], path: Path) -> list[ColumnOut]:
    shop = what == "items" and options.format == "auto" and not options.columns and _is_shop(path, columns, raw)
    found = []
    for name in columns:
        examples = dict.fromkeys(value[:80] for row in raw[:200] if (value := row.values.get(name, "").strip()))
        field = "" if shop else field_of(options, name) if what == "items" else options.columns.get(name, "")
        found.append(ColumnOut(name=name, field=field, examples=list(islice(examples, 3))))
    return found


def _is_shop(path: Path, columns: list[str], raw: list[Raw]) -> bool:
    try:
        return bool(shop_of(columns, raw, sampling.format_of(path, "items")))
    except FileFault:
        return False


def _row(one: Read, texts: dict[str, str]) -> RowOut:
    line, mapped, fault, notes = one
    return RowOut(line=line, raw=_cut(texts), mapped=mapped, fault=fault, notes=list(notes))


def _bare(one: Raw) -> RowOut:
    return RowOut(line=one.line, raw=_cut(one.values), mapped={}, fault=one.fault, notes=[])


def _cut(values: dict[str, str]) -> dict[str, str]:
    return {name: text[:_LONGEST] for name, text in islice(values.items(), 60)}


def _spellings(what: What, options: Options, columns: list[str], raw: list[Raw]) -> dict[str, list[WordOut]]:
    fields = {name: field_of(options, name) if what == "items" else options.columns.get(name, "") for name in columns}

    def values(*wanted: str) -> Iterator[str]:
        return (row.values.get(name, "").strip() for row in raw for name in columns if fields[name] in wanted)

    def words(means: Callable[[str], str], wanted: str, most: int = _MOST_WORDS) -> list[WordOut]:
        return _words(values(wanted), means, most)

    if what == "items":
        return {
            "availability": words(_stock, "availability"),
            "prices": _shapes(values("price", "sale_price"), lambda text: _money(text, options)),
            "moments": _shapes(values("sale_price_effective_date", "expiration_date"), lambda text: text),
            "kinds": [],
        }
    return {
        "availability": [],
        "prices": _shapes(values("price", "line_total"), lambda text: _amount(text, options)),
        "moments": _shapes(values("occurred_at"), lambda text: _moment(text, options)),
        "kinds": words(lambda word: _kind(word, options), "kind", most=100),
    }


def _words(values: Iterable[str], means: Callable[[str], str], most: int) -> list[WordOut]:
    counted = Counter(value[:_LONGEST] for value in values if value)
    return [WordOut(value=value, count=count, means=means(value)) for value, count in counted.most_common(most)]


def _shapes(values: Iterable[str], means: Callable[[str], str]) -> list[WordOut]:
    """Return one example of each way to write, however many digits it has."""
    first: dict[str, str] = {}
    counted: Counter[str] = Counter()
    for value in values:
        if value and len(value) <= _LONGEST:
            # three digits behind a mark may be thousands, which two are not
            shape = re.sub(r"[1-9]\d*|0", "9", re.sub(r"(?<=[.,])\d{3}(?!\d)", "000", value))
            first.setdefault(shape, value)
            counted[shape] += 1
    return [WordOut(value=first[shape], count=count, means=means(first[shape])) for shape, count in counted.most_common(12)]


def _money(text: str, options: Options) -> str:
    try:
        found = read_money(text, options.currency.upper(), options.decimal)
    except ItemRefused:
        return ""
    return f"{found.amount:.2f} {found.currency or found.sign}".strip()


def _amount(text: str, options: Options) -> str:
    try:
        found = amounts.read(text, options.decimal)
    except amounts.NoAmount:
        return ""
    return "" if found is None else f"{found:.2f}"


def _moment(text: str, options: Options) -> str:
    try:
        zone = ZoneInfo(options.timezone or "UTC")
        written = datetime.strptime(text, options.time_format).isoformat() if options.time_format else text
    except (ValueError, ZoneInfoNotFoundError, OSError):
        return ""
    found = parse_moment(written, zone)
    return found.isoformat(timespec="seconds") if found else ""


def _stock(word: str) -> str:
    try:
        return "in stock" if available(word) else "not in stock"
    except ItemRefused:
        return ""


def _kind(word: str, options: Options) -> str:
    if options.kinds.get(word):
        return options.kinds[word]
    found = KIND_NAMES.get(word.lower(), kind_of(word))
    return found.name.lower() if found is not None else ""
