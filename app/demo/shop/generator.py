"""People with tastes, and a year of what they did in the generated shop: drawn with numpy, the same for the same seed and moment."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from app.demo.shop import catalogue
from app.demo.shop.catalogue import Catalogue, Floats, Ints
from app.demo.shop.vocabulary import CATEGORIES, COUNTRIES, NAMES, STYLES

DAYS = 365
DAY = 86_400
VIEW, WISHLIST, CART, PURCHASE = 3, 4, 5, 7
_PEOPLE_AT_ONCE = 4_000
_PERIOD = 30  # days over which season and range of the shop stand still
_PEAK = 196  # day of the year at which summer things sell best
_EVENTS_A_VISIT = 4.85  # a little below what comes out; the oldest events beyond the number asked for are left out


@dataclass(frozen=True)
class Size:
    """How large a shop: item groups (about 2.45 items each), people, events."""

    groups: int = 815
    people: int = 20_000
    events: int = 500_000

    @classmethod
    def scaled(cls, scale: float) -> "Size":
        """Return the full size times `scale`; groups shrink with its root, so that a small shop still has a choice."""
        full = cls()
        return cls(max(60, round(full.groups * scale**0.5)), max(60, round(full.people * scale)), max(1_500, round(full.events * scale)))


@dataclass(frozen=True)
class People:
    """P people. `department` 0 women's, 1 men's; `styles` float[P,S] sums to 1; `band` 0 to 1, what they like to spend."""

    department: Ints
    styles: Floats
    band: Floats
    brand: Ints
    country: Ints
    categories: Floats
    activity: Floats
    colour: Ints

    def user_id(self, person: int) -> str:
        """Return the shop's own id of a person."""
        return f"u{person:05d}"

    def name(self, person: int) -> str:
        """Return a first name."""
        names = NAMES[int(self.department[person])]
        return names[person % len(names)]


@dataclass(frozen=True)
class Events:
    """E events, oldest first: int arrays `person`, `item` (variant), `group`, `kind`, `second` (unix), `order` (-1: none), `quantity`."""

    person: Ints
    item: Ints
    group: Ints
    kind: Ints
    second: Ints
    order: Ints
    quantity: Ints

    def __len__(self) -> int:
        return len(self.person)


@dataclass(frozen=True)
class Shop:
    """A generated shop; `now` is the moment at which its events end."""

    catalogue: Catalogue
    people: People
    events: Events
    now: datetime


def generate(rng: np.random.Generator, now: datetime, size: Size = Size()) -> Shop:
    """Draw a shop: first the catalogue, then people, then events, so that each depends only on what came before."""
    stock = catalogue.build(rng, size.groups)
    people = _people(rng, size.people)
    return Shop(stock, people, _events(rng, stock, people, size.events, int(now.timestamp())), now)


def _people(rng: np.random.Generator, n: int) -> People:
    styles = rng.dirichlet(np.full(len(STYLES), 0.05), n) * 0.15
    rows = np.arange(n)
    main = rng.integers(0, len(STYLES), n)
    second = (main + rng.integers(1, len(STYLES), n)) % len(STYLES)
    styles[rows, main] += 0.6
    styles[rows, second] += 0.25
    band = rng.beta(2, 2, n)
    return People(
        department=(rng.random(n) < 0.42).astype(np.int64),
        styles=styles,
        band=band,
        brand=main * 2 + (rng.random(n) < band),
        country=rng.choice(len(COUNTRIES), n, p=[share for _, share in COUNTRIES]),
        categories=rng.lognormal(0, 0.8, (n, len(CATEGORIES))),
        activity=np.minimum(rng.pareto(1.6, n) + 0.25, 40.0),
        colour=rng.integers(0, 3, n),
    )


def _taste(stock: Catalogue, people: People, part: slice) -> NDArray[np.float64]:
    """Return float64[p,G]: how much each of these people is drawn to each group, season aside."""
    department = np.array([{"Women": 0, "Men": 1}.get(c.department, 2) for c in CATEGORIES])[stock.category]
    own = np.array([[1.0, 0.02, 0.5], [0.02, 1.0, 0.5]])[people.department[part]][:, department]
    style = people.styles[part][:, stock.style] ** 1.2
    brand = np.where(people.brand[part][:, None] == stock.brand[None, :], 2.5, 1.0)
    dear = np.abs(people.band[part][:, None] - (stock.brand % 2)[None, :])
    weight = own * style * brand * np.exp(-1.5 * dear) * people.categories[part][:, stock.category]
    return np.asarray(weight * stock.popularity + 1e-9)


def _season(stock: Catalogue, now: int) -> list[Floats]:
    """Return float64[G] for each period, newest first: what the calendar and the range of that time make of a group."""
    periods = []
    for period in range(DAYS // _PERIOD + 1):
        middle = (period + 0.5) * _PERIOD
        day_of_year = (now / DAY - middle) % 365.25
        warmth = np.cos((day_of_year - _PEAK) / 365.25 * 2 * np.pi)
        fresh = np.where(stock.launched > middle, 1.0, 0.0) * np.where(stock.launched - middle < 60, 1.6, 1.0)
        periods.append(np.exp(1.6 * stock.season * warmth) * np.where(stock.launched >= 400, 1.0, fresh))
    return periods


@dataclass
class _Visits:
    """V visits: who, how many days ago, and how many things each looked at."""

    person: Ints
    ago: Floats
    views: Ints


def _visits(rng: np.random.Generator, people: People, wanted: int) -> _Visits:
    n = len(people.activity)
    count = max(n, int(wanted / _EVENTS_A_VISIT))
    by_activity = rng.choice(n, count - n, p=people.activity / people.activity.sum())
    person = np.concatenate([np.arange(n), by_activity])
    ago = rng.uniform(0, DAYS, count)
    ago[:n] = rng.uniform(0, DAYS * 0.8, n)  # nobody is lost when the oldest events are left out
    hour = (rng.beta(4, 2, count) * 24 + 1) % 24
    ago = np.floor(ago) + hour / 24
    return _Visits(person, ago, rng.geometric(0.3, count))


def _events(rng: np.random.Generator, stock: Catalogue, people: People, wanted: int, now: int) -> Events:
    visit, person, group, second = _looked(rng, stock, people, _visits(rng, people, wanted), now)
    rows = _funnel(rng, stock, people, visit, person, group, second, now)
    person, group, kind, second, order, quantity = rows
    order_of = np.lexsort((kind, group, person, second))[-wanted:]
    person, group, kind, second, order, quantity = (column[order_of] for column in (person, group, kind, second, order, quantity))
    return Events(person, _variant(rng, stock, people, person, group), group, kind, second, order, quantity)


def _looked(rng: np.random.Generator, stock: Catalogue, people: People, visits: _Visits, now: int) -> tuple[Ints, Ints, Ints, Ints]:
    """Return visit, person, group and second of everything looked at: mostly within one category a visit."""
    seasons = _season(stock, now)
    bounds = np.searchsorted(stock.category, np.arange(len(CATEGORIES) + 1))
    period = (visits.ago // _PERIOD).astype(np.int64)
    found: list[tuple[Ints, Ints]] = []
    for first in range(0, len(people.activity), _PEOPLE_AT_ONCE):
        taste = _taste(stock, people, slice(first, first + _PEOPLE_AT_ONCE))
        mine = (visits.person >= first) & (visits.person < first + _PEOPLE_AT_ONCE)
        for number, season in enumerate(seasons):
            chosen = np.flatnonzero(mine & (period == number))
            if not len(chosen):
                continue
            who, place = np.unique(visits.person[chosen] - first, return_inverse=True)
            row = np.repeat(place, visits.views[chosen])
            # every row runs from its own number to the next, so that one search over all rows finds a place in each
            reach = np.cumsum(taste[who] * season, axis=1)
            reach /= reach[:, -1:]
            reach += np.arange(len(who))[:, None]
            drawn: Floats = np.repeat(rng.random(len(chosen)), visits.views[chosen])
            group = _search(reach, row + drawn, row)
            edge = bounds[stock.category[group]], bounds[stock.category[group] + 1]
            low = np.where(edge[0] > 0, reach[row, edge[0] - 1], row.astype(np.float64))
            inside = low + rng.random(len(row)) * (reach[row, edge[1] - 1] - low)
            anywhere = row + rng.random(len(row))
            group = _search(reach, np.where(rng.random(len(row)) < 0.8, inside, anywhere), row)
            found.append((np.repeat(chosen, visits.views[chosen]), group))
    visit, group = (np.concatenate(column) for column in zip(*found, strict=True))
    begins = np.r_[True, visit[1:] != visit[:-1]]
    step = np.arange(len(visit)) - np.flatnonzero(begins)[np.cumsum(begins) - 1]
    second = (now - visits.ago[visit] * DAY).astype(np.int64) + step * rng.integers(20, 120, len(visit))
    return visit, visits.person[visit], group, np.minimum(second, now - 900)


def _search(reach: Floats, mark: Floats, row: Ints) -> Ints:
    """Return for each (mark, row) the first place of the row at which its running sum passes the mark."""
    width = reach.shape[1]
    return np.asarray(np.clip(np.searchsorted(reach.ravel(), mark, side="right") - row * width, 0, width - 1), np.int64)


def _funnel(
    rng: np.random.Generator, stock: Catalogue, people: People, visit: Ints, person: Ints, group: Ints, second: Ints, now: int
) -> tuple[Ints, ...]:
    """Return person, group, kind, second, order and quantity: views, what came of them, what was bought with it, and again."""
    n = len(person)
    none = np.full(n, -1)
    one = np.ones(n, np.int64)
    into_cart = rng.random(n) < np.where(stock.basic[group], 0.32, 0.19)
    wished = ~into_cart & (rng.random(n) < 0.06)
    bought = into_cart & (rng.random(n) < 0.6)
    parts: list[tuple[Ints, ...]] = [(person, group, one * VIEW, second, none, one)]
    for mask, kind, later in ((wished, WISHLIST, 15), (into_cart, CART, 25)):
        parts.append((person[mask], group[mask], one[mask] * kind, second[mask] + later, none[mask], one[mask]))
    order, quantity = visit[bought], np.where(stock.basic[group] & (rng.random(n) < 0.4), 2, 1)[bought]
    paid = (person[bought], group[bought], one[bought] * PURCHASE, second[bought] + 400, order, quantity)
    parts += [paid, *_with_it(rng, stock, paid)]
    parts += _again(rng, stock, paid, int(visit.max(initial=0)) + 1, now)
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def _with_it(rng: np.random.Generator, stock: Catalogue, paid: tuple[Ints, ...]) -> list[tuple[Ints, ...]]:
    """Add to some orders a thing that goes with what is in them."""
    person, group, _, second, order, _ = paid
    add = np.flatnonzero(rng.random(len(person)) < 0.35)
    other = stock.goes_with[group[add], rng.choice(3, len(add), p=[0.55, 0.3, 0.15])]
    one = np.ones(len(add), np.int64)
    none = np.full(len(add), -1)
    return [
        (person[add], other, one * VIEW, second[add] - 120, none, one),
        (person[add], other, one * PURCHASE, second[add], order[add], one),
    ]


def _again(rng: np.random.Generator, stock: Catalogue, paid: tuple[Ints, ...], next_order: int, now: int) -> list[tuple[Ints, ...]]:
    """Let people buy their basics again, about every second month, as long as they like them."""
    keep = stock.basic[paid[1]]
    person, group, _, second, _, quantity = (column[keep] for column in paid)
    parts: list[tuple[Ints, ...]] = []
    for _ in range(4):
        second = second + (rng.gamma(6, 9, len(second)) * DAY).astype(np.int64)
        stay = (rng.random(len(second)) < 0.6) & (second < now)
        person, group, second, quantity = person[stay], group[stay], second[stay], quantity[stay]
        order = next_order + np.arange(len(person))
        next_order += len(person)
        parts.append((person, group, np.full(len(person), PURCHASE), second, order, quantity))
    return parts


def _variant(rng: np.random.Generator, stock: Catalogue, people: People, person: Ints, group: Ints) -> Ints:
    """Choose the variant: people mostly come back to their own colour and size."""
    own = people.colour[person] + group
    other = rng.integers(0, 6, len(person))
    wanted = np.where(rng.random(len(person)) < 0.75, own, other)
    return np.asarray(stock.first[group] + wanted % stock.variants[group], np.int64)
