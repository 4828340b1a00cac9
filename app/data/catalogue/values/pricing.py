"""What an item costs at a moment: its price, and its sale price where that is lower, in the same currency and holds now."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from app.data.catalogue.values.faults import ItemRefused
from app.data.catalogue.values.money import read_money
from app.data.catalogue.values.texts import parts_at

_LEFT_OUT = "sale_price was left out: "
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Pricing:
    """A price and the sale that goes with it, if one does; `begins` and `ends` are None where the sale has no such bound.

    `notes` say what was left out, and why.
    """

    price: Decimal
    currency: str
    sale: Decimal | None = None
    begins: datetime | None = None
    ends: datetime | None = None
    notes: tuple[str, ...] = ()

    def at(self, now: datetime) -> Decimal:
        """Return what it costs at a moment."""
        on = self.sale is not None and (self.begins is None or self.begins <= now) and (self.ends is None or now <= self.ends)
        return self.sale if on and self.sale is not None else self.price


def pricing(part: Mapping[str, Any], currency: str = "") -> Pricing | None:
    """Read the prices of a document or of one of its locales; None where there is no price. Raises ItemRefused for a bad price.

    A sale that cannot hold is left out and told: not lower than the price, nothing, another currency, no money, or dates that
    are none.
    """
    if part.get("price") in (None, ""):
        return None
    money = read_money(part["price"], str(part.get("currency") or currency or ""))
    notes = []
    if money.sign:
        notes.append(f"the price says {money.sign!r}, which may be several currencies: give `currency`, it is shown without one")
    sale, begins, ends = None, None, None
    if part.get("sale_price") not in (None, ""):
        try:
            sale = _sale(part["sale_price"], money.amount, money.currency)
            begins, ends = sale_dates(part.get("sale_price_effective_date"))
        except ItemRefused as reason:
            sale = begins = ends = None
            notes.append(f"{_LEFT_OUT}{reason}")
    return Pricing(money.amount, money.currency, sale, begins, ends, tuple(notes))


def price_at(document: Mapping[str, Any], now: datetime, locale: str = "") -> tuple[Decimal | None, str]:
    """Return amount and currency of a stored document at a moment, for a locale; (None, '') when it has no price.

    A locale with a price of its own has only its own sale price.
    """
    for part in parts_at(document, locale):
        try:
            found = pricing(part, str(document.get("currency") or ""))
        except ItemRefused:
            continue
        if found is not None:
            return found.at(now), found.currency
    return None, ""


def next_change(document: Mapping[str, Any], now: datetime) -> float:
    """Return the unix moment at which a sale of this item, in any locale, next begins or ends; infinity when none does."""
    moments: list[float] = []
    locales = document.get("locales")
    for part in (document, *(locales.values() if isinstance(locales, Mapping) else ())):
        try:
            begins, ends = sale_dates(part.get("sale_price_effective_date"))
        except (ItemRefused, AttributeError):
            continue
        # the sale holds at its last instant too
        moments += [moment.timestamp() for moment in (begins, ends + _INSTANT if ends else None) if moment is not None]
    return min((moment for moment in moments if moment > now.timestamp()), default=float("inf"))


def moment(value: Any, *, last: bool = False) -> datetime:
    """Read an ISO 8601 date or moment; one without an offset is in UTC, and a date means its first instant, or its `last`.

    Raises ItemRefused.
    """
    try:
        text = str(value).strip() if len(str(value)) <= 60 else ""
        found = datetime.fromisoformat(text)
        whole_day = len(text) <= 10 and last
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
        found = found + timedelta(days=1) - _INSTANT if whole_day else found
        return found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ItemRefused("must be an ISO 8601 date such as 2026-11-27T00:00+0100") from None


def sale_dates(value: Any) -> tuple[datetime | None, datetime | None]:
    """Read `2024-11-28T00:00+0100/2024-12-02T23:59+0100`; (None, None) for nothing. Raises ItemRefused."""
    if value in (None, ""):
        return None, None
    first, slash, last = str(value).partition("/")
    try:
        begins, ends = moment(first), moment(last, last=True)
    except ItemRefused:
        slash = ""
    if not slash:
        raise ItemRefused("sale_price_effective_date must be two ISO 8601 dates with a / between")
    if ends < begins:
        raise ItemRefused("sale_price_effective_date ends before it begins")
    return begins, ends


def _sale(value: Any, price: Decimal, currency: str) -> Decimal:
    try:
        money = read_money(value, currency)
    except ItemRefused as reason:
        raise ItemRefused(str(reason).replace("a price", "it", 1)) from None
    if money.currency != currency:
        raise ItemRefused("it has another currency than the price")
    if money.amount <= 0:
        raise ItemRefused("it is 0")
    if money.amount >= price:
        raise ItemRefused("it is not lower than the price")
    return money.amount
