"""Countries: which there are, and how senders write them (from ISO 3166 and CLDR)."""

import unicodedata
from functools import lru_cache

from babel import Locale
from babel.core import get_global

LONGEST = 60
# Of CLDR's regions of two letters those that are no country: islands of others, unions, tests. Kosovo (XK) is none of ISO's, but in use.
_NONE = frozenset(["AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ"])
# How senders write some beside the code and CLDR's English name.
_ALSO = (
    "AE uae; AT österreich; BE belgique; BE belgië; BR brasil; CD drcongo; CH schweiz; CH suisse; CH svizzera; CI ivorycoast; "
    "CV capeverde; CZ czechrepublic; CZ česko; DE deutschland; DK danmark; ES españa; FI suomi; FR république française; "
    "GB england; GB greatbritain; GB northernireland; GB scotland; GB wales; GR el; GR hellas; HU magyarország; IE eire; "
    "IE republic of ireland; IT italia; JP 日本; KR korea; KR republic of korea; KR southkorea; MK macedonia; MM burma; MX méxico; "
    "NL holland; NL nederland; NL the netherlands; NO norge; PL polska; RO românia; RU russian federation; SE sverige; "
    "SZ swaziland; TR turkey; US united states of america; VN viet nam; ZA rsa; CN 中国"
)


def _plain(text: str) -> str:
    spelled = unicodedata.normalize("NFKD", text.replace("&", "and")).casefold()
    return "".join(sign for sign in spelled if sign.isalnum())


def _spellings() -> dict[str, str]:
    names: dict[str, str] = dict(Locale("en").territories)
    codes = {code for code in names if len(code) == 2 and code.isalpha()} - _NONE
    found = {_plain(names[code]): code for code in codes} | {code.casefold(): code for code in codes}
    # three letters, numbers, and codes of before that became one country
    for other, now in get_global("territory_aliases").items():
        if len(now) == 1 and now[0] in codes:
            found.setdefault(other.casefold(), now[0])
    return found | {_plain(name): code for code, _, name in (one.strip().partition(" ") for one in _ALSO.split(";"))}


_SPELLINGS = _spellings()


@lru_cache(4096)
def country_code(text: str) -> str | None:
    """Return the ISO 3166-1 code of two letters (`GB`) that a code or name stands for; None for what is no country."""
    return _SPELLINGS.get(_plain(text)) if len(text) <= LONGEST else None


def no_country(text: str) -> str:
    """Return what a sender is told of a country that there is not."""
    return f'"{text[:LONGEST]}" is no country: write its ISO 3166 code, such as GB; it was left out'
