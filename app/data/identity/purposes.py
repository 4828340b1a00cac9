"""Consent by purpose: what people said of each, what holds where they said nothing, and Global Privacy Control. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from app.core.settings import CONSENT_PURPOSES, Settings
from app.data.identity.traits import micros

PURPOSES = CONSENT_PURPOSES
PERSONALISATION, ANALYTICS, EMAIL, TRACKING, SALE = PURPOSES
GPC, DEFAULT = "gpc", "default"
"""Who says what nobody said: the browser's signal, and the default of the country."""
STOPPED_BY_GPC = (TRACKING, SALE)
# By purpose what one id was told to say: 1 or 0, when in microseconds since 1970, and by whom; under `gpc` when the signal first came.
Kept = dict[str, Any]


class Purpose(NamedTuple):
    """What holds for a purpose, who says so (`default` where nobody did), and when, in microseconds since 1970; 0 for no moment."""

    granted: bool
    source: str
    at: int


@dataclass(frozen=True)
class Defaults:
    """What holds for people who said nothing, by country; `anywhere` for those whose country is not known, or not named."""

    anywhere: Mapping[str, bool] = field(default_factory=lambda: dict.fromkeys(PURPOSES, True))
    countries: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings) -> "Defaults":
        """Return the defaults that settings name."""
        told = settings.consent_defaults
        anywhere = {**dict.fromkeys(PURPOSES, True), **told.get(DEFAULT, {}), PERSONALISATION: settings.default_consent}
        countries = {code: {**anywhere, **said} for codes, said in told.items() if codes != DEFAULT for code in codes.split(",")}
        return cls(anywhere, countries)

    def at(self, country: str | None) -> Mapping[str, bool]:
        """Return what holds in a country, by purpose."""
        return self.countries.get(country or "", self.anywhere)

    @property
    def strictest(self) -> dict[str, bool]:
        """Return what holds where anybody's country says no: of people whose country is not kept."""
        return {one: all(said[one] for said in (self.anywhere, *self.countries.values())) for one in PURPOSES}


ALLOWED = Defaults()
"""What holds where no setting says otherwise."""


def purposes(
    members: Iterable[bytes | str | Kept], personalisation: bool | None, country: str | None, defaults: Defaults
) -> dict[str, bool]:
    """Return for each purpose whether a person's data may be used for it.

    `members` is what is kept of each of the ids that are this person, in any order; `personalisation` is what holds for all of them.
    """
    return {name: one.granted for name, one in told(members, personalisation, None, country, defaults).items()}


def told(
    members: Iterable[bytes | str | Kept], personalisation: bool | None, at: datetime | None, country: str | None, defaults: Defaults
) -> dict[str, Purpose]:  # fmt: skip
    """Return the same with who said so, and when; `at` is when the word about personalisation was said."""
    kept, usual = joined(members), defaults.at(country)
    found = {name: _holds(kept, name) or Purpose(usual[name], DEFAULT, 0) for name in PURPOSES}
    if personalisation is None:
        return found | {PERSONALISATION: Purpose(usual[PERSONALISATION], DEFAULT, 0)}
    said = kept.get(PERSONALISATION)
    who = said[2] if said and bool(said[0]) is personalisation else ""
    return found | {PERSONALISATION: Purpose(personalisation, who, micros(at) if at else 0)}


def tracking_said(members: Iterable[bytes | str | Kept]) -> bool | None:
    """Return what a person said of tracked links and opens, by a word or by the browser's signal; None where they said nothing."""
    found = _holds(joined(members), TRACKING)
    return None if found is None else found.granted


def joined(members: Iterable[bytes | str | Kept]) -> Kept:
    """Return what the ids of one person say together: of each purpose the newest word, of two at one moment the no; GPC at its first."""
    whole: Kept = {}
    for one in members:
        kept: Kept = one if isinstance(one, dict) else orjson.loads(one) if len(one) > 2 else {}
        for name, said in kept.items():
            _join(whole, name, said)
    return whole


def say(kept: Kept, said: Mapping[str, bool], source: str, at: int, *, gpc: bool = False) -> Kept:
    """Return what is kept of one id after it said something; what was said later stays."""
    new = dict(kept)
    for name, granted in said.items():
        _join(new, name, [int(granted), at, source])
    if gpc:
        _join(new, GPC, at)
    return new


def _join(whole: Kept, name: str, said: Any) -> None:
    known = whole.get(name)
    if name == GPC:
        whole[name] = said if known is None else min(known, said)
    elif known is None or (said[1], -said[0], said[2]) > (known[1], -known[0], known[2]):
        whole[name] = said


def _holds(kept: Kept, name: str) -> Purpose | None:
    """Return what was said of a purpose. GPC is a no from its first moment on, and only a yes of later overrules it."""
    said, signal = kept.get(name), kept.get(GPC) if name in STOPPED_BY_GPC else None
    if signal is not None and not (said and said[0] and said[1] > signal):
        return Purpose(False, GPC, signal) if not said or said[0] else Purpose(False, said[2], said[1])
    return Purpose(bool(said[0]), said[2], said[1]) if said else None
