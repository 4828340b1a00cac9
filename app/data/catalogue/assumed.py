"""What whoever imports a feed says about it: the currency, the decimal mark, the time zone and the address of the shop."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urljoin
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.data.catalogue.values.currencies import is_code
from app.data.catalogue.values.faults import ItemRefused
from app.data.catalogue.values.money import read_money

_PRICES, _LINKS, _DATES = ("price", "sale_price"), ("link", "image_link"), ("sale_price_effective_date", "expiration_date")


@dataclass(frozen=True)
class Assumed:
    """All empty: the feed says everything itself. `decimal` is `.` or `,`; `base_url` completes links that are no whole address."""

    currency: str = ""
    decimal: str = ""
    zone: ZoneInfo | None = None
    base_url: str = ""

    @classmethod
    def told(cls, currency: str = "", decimal: str = "", zone: str = "", base_url: str = "") -> "Assumed":
        """Read what was given as texts; raises ValueError with what is wrong."""
        if currency and not is_code(currency.upper()):
            raise ValueError(f"--currency must be a code such as EUR, not {currency}")
        if decimal not in ("", ".", ","):
            raise ValueError("--decimal must be . or ,")
        if base_url and not base_url.startswith(("http://", "https://")):
            raise ValueError("--base-url must begin with https:// or http://")
        try:
            return cls(currency.upper(), decimal, ZoneInfo(zone) if zone else None, base_url)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"--timezone must be a name such as Europe/Berlin, not {zone}") from None

    def settle(self, document: dict[str, Any]) -> dict[str, Any]:
        """Return a document with what it leaves open filled in."""
        if self.currency and not document.get("currency"):
            document["currency"] = self.currency
        self._settle(document)
        locales = document.get("locales")
        for part in locales.values() if isinstance(locales, Mapping) else ():
            if isinstance(part, dict):
                self._settle(part)
        return document

    def _settle(self, part: dict[str, Any]) -> None:
        for name in _PRICES if self.decimal else ():
            if isinstance(part.get(name), str):
                part[name] = self._priced(part[name], str(part.get("currency") or self.currency))
        for name in _DATES if self.zone else ():
            if isinstance(part.get(name), str):
                part[name] = "/".join(
                    self._zoned(one, last=bool(place) or "/" not in part[name]) for place, one in enumerate(part[name].split("/"))
                )
        for name in _LINKS if self.base_url else ():
            if isinstance(part.get(name), str) and part[name] and "://" not in part[name]:
                part[name] = urljoin(self.base_url, part[name])

    def _priced(self, text: str, currency: str) -> str:
        """Write a price that can be read in two ways as the decimal mark says."""
        try:
            meant = read_money(text, currency, self.decimal)
        except ItemRefused:
            return text
        try:
            same = read_money(text, currency) == meant
        except ItemRefused:
            same = False
        return text if same else f"{meant.amount:.2f} {meant.sign or meant.currency}".strip()

    def _zoned(self, text: str, *, last: bool) -> str:
        """Give a moment without an offset the feed's zone; a day becomes its first instant, or its `last`."""
        try:
            moment = datetime.fromisoformat(text.strip())
        except ValueError:
            return text
        if moment.tzinfo is not None:
            return text
        day = timedelta(days=1, microseconds=-1) if last and len(text.strip()) <= 10 else timedelta(0)
        return (moment + day).replace(tzinfo=self.zone).isoformat()
