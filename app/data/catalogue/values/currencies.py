"""Currencies: which codes there are, which signs stand for which, and who writes a point before the cents (from CLDR)."""

import re
import unicodedata

from babel.core import get_global
from babel.numbers import get_currency_precision

# Signs that stand for one currency wherever CLDR has them, spelled as `sign` spells: without case, points and spaces.
_ONE = (
    "AED دإ; AFN ؋; ALL lekë; AMD ֏; AOA kz; ARS $ar; AUD $a $au a$ au$ aud$; AWG afl; AZN ₼; BAM km км; BBD bds$; BDT ৳; BGN лв; "
    "BHD دب; BIF fbu; BMD $bm bm$; BND $bn; BOB bs; BRL br$ r$; BSD bs$; BTN nu; BZD $bz bz$; CAD $ca ca$; CDF fc; "
    "CHF sfr fr; CLP $cl; CNY cn¥ ¥cn 元 rmb; COP $co; CRC ₡; CZK kč kc; DJF fdj; DKK dkr; DOP rd$; DZD da دج; EGP eg£ جم; ERN nfk; "
    "ETB ብር; EUR € euro euros; FJD $fj fj$; FKP £fk; GBP gb£ uk£ £gb; GEL ₾; GHS gh₵; GIP £gi; GNF fg; HKD $hk hk$; HUF ft; "
    "IDR rp; ILS nis ₪; INR ₹; IQD دع; IRR رإ ریال; ISK ikr; JMD jm$; JOD دأ; JPY jp¥ 円; KES ksh; KGS сом; KHR ៛; KMF cf; "
    "KRW kr₩ ₩ 원; KWD دك; KZT ₸; LAK ₭; LBP £lb لل; LKR රු; LSL лсл; LYD دل; MAD دم; MGA ar; MKD den ден; MNT ₮; MOP mop$; "
    "MRU um أم; MVR ރ; MWK mk; MXN $mx mx$; MYR rm; MZN mtn; NAD $na; NGN ₦; NOK nkr; NPR नेरू; NZD $nz nz$ nzd$; OMR رع; PAB b/; "
    "PEN s/; PHP ₱; PKR ر; PLN zł; PYG gs ₲; QAR رق; RSD din дин; RUB ₽ руб; SAR رس; SBD $sb si$; SCR sr; SDG جس; "
    "SGD $sg s$; SLE le; SRD $sr; STN db; SYP ls لس; THB th฿ ฿; TMT тмт; TND dt دت; TOP t$; TRY ₺ tl; TTD $tt; TWD nt$; TZS tsh; "
    "UAH ₴ грн; UGX ush; USD $su $us us$ щд; UYU $uy; UZS soʻm сўм; VES bss; VND ₫; VUV vt; WST $ws ws$; XCD $ec ec$; XCG cg; "
    "XOF فرانکcfa සිෆ්එ; XPF cfp cfpf fcfp; YER ري; ZAR r"
)
# Signs of several currencies: the `currency` beside the price says which.
_SEVERAL = {
    "$": "ARS AUD BBD BMD BND BSD BZD CAD CLP COP CUP FJD GYD JMD KYD LRD MXN NAD NZD SBD SGD SRD TTD TWD USD UYU XCD",
    "¥": "CNY JPY",
    "br": "BYN ETB",
    "c$": "CAD NIO",
    "fcfa": "XAF XOF",
    "lei": "MDL RON",
    "kr": "DKK ISK NOK SEK",
    "rf": "MVR RWF",
    "rs": "INR LKR MUR NPR PKR SCR",
}
# Of these no locale of a country that pays with them writes a comma before the cents: `1,299 USD` can only be thousands.
_POINT = (
    "AUD BBD BDT BHD BMD BSD BTN BWP BZD CNY CUP DOP EGP ERN ETB FJD FKP GBP GHS GIP GMD GTQ GYD HKD HNL ILS INR IQD JMD "
    "JOD JPY KES KHR KPW KRW KWD KYD LKR LRD LSL MMK MNT MVR MWK MXN MYR NGN NIO NPR NZD PAB PEN PGK PHP QAR SAR SBD SDG "
    "SGD SHP SLE SOS SSP THB TOP TTD TWD TZS UGX USD WST XCD YER ZMW ZWG"
)
_ONLY_POINT = frozenset(_POINT.split())
_CODES = frozenset(get_global("all_currencies"))


def is_code(text: str) -> bool:
    """Tell whether a text in capitals is the ISO 4217 code of a currency, of today or of the past."""
    return text in _CODES


def sign(text: str) -> str:
    """Spell a sign as the tables here do: without case, points, spaces and marks of direction."""
    plain = unicodedata.normalize("NFKC", text)
    return re.sub(r"[\s.\u200b-\u200f\u2066-\u2069]", "", plain).casefold()


def signified(text: str) -> tuple[str, ...]:
    """Return the currencies that a sign as `sign` spells it can mean; none for what is no sign."""
    return _SIGNS.get(text, ())


def decimals(code: str) -> int:
    """Return how many digits of a currency's amounts stand behind the mark: 2 for most, 0 for yen, 3 for dinars."""
    return get_currency_precision(code)


def only_point(code: str) -> bool:
    """Tell whether a comma in an amount of this currency can only separate thousands."""
    return code in _ONLY_POINT


def _signs() -> dict[str, tuple[str, ...]]:
    found = {name: tuple(codes.split()) for name, codes in _SEVERAL.items()}
    for entry in _ONE.split("; "):
        code, *names = entry.split()
        found.update(dict.fromkeys(names, (code,)))
    found["£"] = ("GBP",)
    return found


_SIGNS = _signs()
