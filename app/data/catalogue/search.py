"""Finding items as somebody types: by the beginning of an id, or of words of title, brand and category; quick with 100,000 of them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, Field

from app.core.db import Database
from app.data.catalogue.values.categories import BELOW

MOST_COUNTED = 1_000
_WORD = re.compile(r"[^\W_]+")
_MOST_WORDS, _LONGEST_WORD = 8, 100
_COLUMNS = (
    "i.item_no, i.item_id, i.title, i.category, i.brand, i.kind, i.available, i.price, i.currency, i.sale_price, i.sale_from, "
    "i.sale_until, i.expires_at, i.updated_at, left(coalesce(i.document ->> 'image_link', ''), 8000)"
)


@dataclass(frozen=True)
class Wanted:
    """What is looked for; all empty means everything. `category` holds what lies below it."""

    q: str = ""
    category: str = ""
    brand: str = ""
    kind: str = ""
    available: bool | None = None


class Found(BaseModel):
    """An item in brief; `price` is what it costs now, `full_price` what it costs without its sale."""

    item_id: str
    title: str
    category: str
    brand: str
    kind: str
    available: bool
    price: float | None
    full_price: float | None
    currency: str
    image_link: str
    updated_at: datetime


class FoundItems(BaseModel):
    """A page of items, the newest first."""

    items: list[Found]
    total: int | None = Field(description="How many there are; none where they are more than 1,000.")
    next: str | None = Field(description="Give it as `before` for the page behind; none on the last.")


async def search(db: Database, tenant: int, wanted: Wanted, before: int | None, limit: int) -> FoundItems:
    """Return items below the number `before`, on the first page the one whose id is just so before all others; none that was taken out."""
    where, values = _conditions(wanted)
    values |= {"tenant": tenant}
    sql = f"select {_COLUMNS} from item i where i.tenant = :tenant and not i.absent {where} "
    page = "and (cast(:before as int) is null or i.item_no < :before) order by i.item_no desc limit :most"
    # ids and words each by their index: with an `or` between them neither may be used
    ways = [way for way in _ways(wanted.q.strip(), values) if way] or [""]
    found = " union ".join(f"({sql} {way} {page})" for way in ways)
    rows = await db.rows(f"select * from ({found}) found order by 1 desc limit :most", **values, before=before, most=limit + 1)
    counted = len(rows) if before is None and len(rows) <= limit else await _count(db, where, ways, values)
    exact = await db.rows(sql + "and i.item_id = :exact", **values, exact=wanted.q.strip()) if wanted.q and before is None else []
    shown = [*exact, *(row for row in rows[:limit] if row[0] not in {one[0] for one in exact})]
    return FoundItems(
        items=[_found(row) for row in shown],
        total=counted if counted <= MOST_COUNTED else None,
        next=str(rows[limit - 1][0]) if len(rows) > limit else None,
    )


async def variants(db: Database, tenant: int, item_id: str, most: int) -> list[Found]:
    """Return the items of an item's group, the item itself among them, by number; at most so many."""
    rows = await db.rows(
        f"select {_COLUMNS} from item o join item i on i.tenant = o.tenant and i.group_no = o.group_no and not i.absent "
        "where o.tenant = :tenant and o.item_id = :item order by i.item_no limit :most",
        tenant=tenant,
        item=item_id,
        most=most,
    )
    return [_found(row) for row in rows]


async def _count(db: Database, where: str, ways: list[str], values: dict[str, Any]) -> int:
    sql = f"select i.item_no from item i where i.tenant = :tenant and not i.absent {where}"
    found = " union ".join(f"({sql} {way} limit {MOST_COUNTED + 1})" for way in ways)
    return int((await db.rows(f"select count(*) from ({found}) found", **values))[0][0])


def _ways(q: str, values: dict[str, Any]) -> Iterator[str]:
    """Give the conditions each of which is enough: how an id begins, and how words begin."""
    if not q:
        return
    values["prefix"] = _literal(q) + "%"
    yield "and i.item_id like :prefix"
    if words := _query(q, last=":*"):
        values["words"] = words
        yield "and i.words @@ to_tsquery('simple', :words)"


def _conditions(wanted: Wanted) -> tuple[str, dict[str, Any]]:
    """Return the conditions; a category or brand is first looked for by its words, which have an index, then compared whole."""
    parts: list[str] = []
    values: dict[str, Any] = {}
    if wanted.category:
        category = BELOW.join(part.strip() for part in wanted.category.split(">"))
        values |= {"category": category, "below": _literal(category) + f"{BELOW}%"}
        spelled = r"btrim(regexp_replace(i.category, '\s*>\s*', ' > ', 'g'))"
        parts += _indexed("category_words", category, values)
        parts.append(f"({spelled} = :category or {spelled} like :below)")
    if wanted.brand:
        values["brand"] = wanted.brand.strip()
        parts += _indexed("brand_words", wanted.brand, values)
        parts.append("btrim(i.brand) = :brand")
    if wanted.kind:
        values["kind"] = wanted.kind
        parts.append("i.kind = :kind")
    if wanted.available is not None:
        parts.append("i.available" if wanted.available else "not i.available")
    return "".join(f" and {part}" for part in parts), values


def _literal(text: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", text)


def _indexed(name: str, text: str, values: dict[str, Any]) -> list[str]:
    if not (words := _query(text)):
        return []
    values[name] = words
    return [f"i.words @@ to_tsquery('simple', :{name})"]


def _query(text: str, last: str = "") -> str:
    """Return a text as a query of all its words; with `last` each may be only begun. Empty where there is no word."""
    return " & ".join(f"'{word[:_LONGEST_WORD]}'{last}" for word in _WORD.findall(text)[:_MOST_WORDS])


def _found(row: Sequence[Any]) -> Found:
    (_, item_id, title, category, brand, kind, available, price, currency, sale, begins, ends, expires, updated, image) = row
    now = datetime.now(UTC)
    on_sale = sale is not None and (begins is None or begins <= now) and (ends is None or now <= ends)
    return Found(
        item_id=item_id,
        title=title,
        category=category,
        brand=brand,
        kind=kind,
        available=available and (expires is None or expires > now),
        price=float(sale if on_sale else price) if price is not None else None,
        full_price=float(price) if price is not None else None,
        currency=currency,
        image_link=image,
        updated_at=updated,
    )
