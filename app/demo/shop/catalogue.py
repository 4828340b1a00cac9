"""The catalogue of the generated shop: item groups with variants, as arrays for the generator and as documents for import."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.demo.shop.vocabulary import BRANDS, CATEGORIES, COLOURS, FABRICS, FABRICS_OF, NAME_OF, SHOE_SIZES, SIZES, STYLES

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
_SHOES = ("sneaker", "boot", "sandal")
_ONE_SIZE = ("bag", "hat", "scarf", "glasses")
_POUND_IN_EURO = 1.15


@dataclass(frozen=True)
class Catalogue:
    """G groups, sorted by category, and their I variants.

    int64[G]: `category`, `style`, `brand`, `noun`, `fabric` (-1: none), `adjective`, `variants`, `first` (place of the first
    variant). float64[G]: `price` in pounds, `popularity`, `launched` (days before now), `season` (-1 winter to 1 summer).
    bool[G]: `basic`. int64[G,3] `goes_with`: groups bought together with each one. `sale` float64[G]: part of the price taken
    off, 0 for none. `available` bool[I].
    """

    category: Ints
    style: Ints
    brand: Ints
    noun: Ints
    fabric: Ints
    adjective: Ints
    variants: Ints
    first: Ints
    price: Floats
    popularity: Floats
    launched: Floats
    season: Floats
    basic: NDArray[np.bool_]
    goes_with: Ints
    sale: Floats
    available: NDArray[np.bool_]

    @property
    def groups(self) -> int:
        """Number of groups, G."""
        return len(self.category)

    @property
    def items(self) -> int:
        """Number of variants, I."""
        return len(self.available)

    def group_id(self, group: int) -> str:
        """Return the id of a group, such as `WD0012`."""
        return f"{CATEGORIES[self.category[group]].code}{group:04d}"

    def item_ids(self) -> list[str]:
        """Return the ids of all variants."""
        return [f"{self.group_id(g)}-{v + 1}" for g in range(self.groups) for v in range(self.variants[g])]


def build(rng: np.random.Generator, groups: int) -> Catalogue:
    """Draw about `groups` item groups, at least two a category."""
    full = np.array([category.groups for category in CATEGORIES])
    counts = np.maximum(2, np.round(full * groups / full.sum()).astype(np.int64))
    category = np.repeat(np.arange(len(CATEGORIES)), counts)
    n = len(category)
    style = rng.integers(0, len(STYLES), n)
    band = (rng.random(n) < 0.5).astype(np.int64)
    low = np.array([c.cheapest for c in CATEGORIES])[category]
    high = np.array([c.dearest for c in CATEGORIES])[category]
    # the cheaper brand of a style fills the lower part of the price range, the dearer one the upper
    raw = low * (high / low) ** np.clip(rng.beta(2, 2, n) * 0.6 + 0.4 * band, 0, 1)
    fabrics = [FABRICS_OF[c.shape] for c in CATEGORIES]
    variants = np.where(rng.random(n) < 0.45, 3, 2)
    popularity = rng.lognormal(0, 0.8, n)
    # a fifth of the shop is new this season
    launched = np.where(rng.random(n) < 0.2, rng.uniform(5, 170, n), 400)
    season = np.array([c.season for c in CATEGORIES])[category]
    return Catalogue(
        category,
        style,
        style * 2 + band,
        rng.integers(0, 60, n) % np.array([len(c.nouns) for c in CATEGORIES])[category],
        np.array([fabrics[c][int(r * len(fabrics[c]))] if fabrics[c] else -1 for c, r in zip(category, rng.random(n), strict=True)]),
        rng.integers(0, 4, n),
        variants,
        np.concatenate(([0], np.cumsum(variants)[:-1])),
        np.maximum(4.0, np.round(raw / 5) * 5 - 0.1),
        popularity,
        launched,
        np.clip(season + rng.normal(0, 0.1, n) * (season != 0), -1, 1),
        np.array([c.basic for c in CATEGORIES])[category],
        _goes_with(rng, category, style, popularity),
        np.where(rng.random(n) < 0.16, rng.choice([0.2, 0.3, 0.4], n), 0.0),
        rng.random(int(variants.sum())) > 0.06,
    )


def _goes_with(rng: np.random.Generator, category: Ints, style: Ints, popularity: Floats) -> Ints:
    """Choose for each group three others of matching categories, of its own style where there is one."""
    code = {c.code: number for number, c in enumerate(CATEGORIES)}
    matching = [np.flatnonzero(np.isin(category, [code[other] for other in c.goes_with])) for c in CATEGORIES]
    chosen = np.empty((len(category), 3), np.int64)
    for group in range(len(category)):
        others = matching[category[group]]
        others = others[others != group]
        weight = popularity[others] * np.where(style[others] == style[group], 8.0, 0.2)
        chosen[group] = rng.choice(others, 3, replace=len(others) < 3, p=weight / weight.sum())
    return chosen


def documents(shop: Catalogue, now: datetime, base_url: str) -> list[dict[str, Any]]:
    """Return the documents of all variants, with links to the demo's own pages and pictures below `base_url`."""
    made = []
    for group in range(shop.groups):
        for variant in range(shop.variants[group]):
            made.append(_document(shop, group, variant, now, base_url))
    return made


# long: one document, field by field
def _document(shop: Catalogue, group: int, variant: int, now: datetime, base_url: str) -> dict[str, Any]:
    category, style = CATEGORIES[shop.category[group]], STYLES[shop.style[group]]
    noun, german_noun = category.nouns[shop.noun[group]]
    fabric, german_fabric = FABRICS[shop.fabric[group]] if shop.fabric[group] >= 0 else ("", "")
    colour = style.colours[(group + variant) % len(style.colours)]
    german_colour, rgb = COLOURS[colour]
    adjective = style.adjectives[shop.adjective[group]]
    item_id = f"{shop.group_id(group)}-{variant + 1}"
    name = " ".join(word for word in (adjective, "" if fabric in noun or "Jeans" in noun else fabric, noun) if word)
    german = f"{german_noun} „{NAME_OF[group % len(NAME_OF)]}“" + (f" aus {german_fabric}" if german_fabric else "")
    price = float(shop.price[group])
    document: dict[str, Any] = {
        "id": item_id,
        "item_group_id": shop.group_id(group),
        "title": name,
        "description": f"{name} in {colour.lower()}. {style.sentence}",
        "brand": BRANDS[shop.brand[group]],
        "product_type": category.name,
        "color": colour,
        "size": _size(category.shape, group + variant),
        "gender": {"Women": "female", "Men": "male"}.get(category.department, "unisex"),
        "link": f"{base_url}/demo/items/{item_id}",
        "image_link": f"{base_url}/demo/pictures/{item_id}.png",
        "image_width": 300,
        "image_height": 300,
        "price": f"{price:.2f} GBP",
        "availability": "in_stock" if shop.available[shop.first[group] + variant] else "out_of_stock",
        "locales": {
            "de": {
                "title": german,
                "description": f"{german} in {german_colour}. {style.german_sentence}",
                "price": f"{_euro(price):.2f} EUR",
            }
        },
        "shape": category.shape,
        "color_hex": rgb,
        "style": style.name,
    }
    if shop.sale[group]:
        begin = now - timedelta(days=3 + group % 12)
        dates = f"{begin:%Y-%m-%dT00:00+0000}/{begin + timedelta(days=30):%Y-%m-%dT23:59+0000}"
        document |= {"sale_price": f"{_reduced(price, shop.sale[group]):.2f} GBP", "sale_price_effective_date": dates}
        document["locales"]["de"] |= {
            "sale_price": f"{_reduced(_euro(price), shop.sale[group]):.2f} EUR",
            "sale_price_effective_date": dates,
        }
    return document


def _euro(pounds: float) -> float:
    return round(pounds * _POUND_IN_EURO) - 0.1


def _reduced(price: float, part: float) -> float:
    return max(1.9, round(price * (1 - part)) - 0.1)


def _size(shape: str, turn: int) -> str:
    if shape in _ONE_SIZE:
        return "one size"
    return (SHOE_SIZES if shape in _SHOES else SIZES)[turn % 5]
