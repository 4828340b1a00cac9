"""The catalogue: arrays for filters in memory, documents in one file, and the shape of each item as it is shown."""

# long: one picture of the items, and what passes a filter of it

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from app.data.catalogue.values.categories import BELOW, above, comparable
from app.decisions.placements.domain import Filter
from app.serving.snapshot import clocked
from app.serving.snapshot.arena import Documents
from app.serving.snapshot.rules import conditions

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


# built over item and group numbers, item ids and words alone
_LASTING = ("index_of", "place_of", "_by_number", "numbers", "categories", "_comparable", "_by_group", "fields")
# What filters pass is kept up to so many bytes, but always of so many filters.
_MASK_BYTES, _LEAST_MASKS, _MOST_MASKS = 128 * 2**20, 32, 512


@dataclass(frozen=True)
class Row:
    """An item as it is read from the database; moments in unix seconds."""

    item_no: int
    group_no: int
    item_id: str
    kind: str
    category: str
    brand: str
    available: bool
    price: float
    document: bytes
    currency: str = ""
    sale: float | None = None
    begins: float | None = None
    ends: float | None = None
    expires: float | None = None
    created: float = float("nan")


class Passing(NamedTuple):
    """What passes a filter: `items` bool[I], `groups` bool[G+1], `first` int64[G+1] the first such item of a group or -1, and
    `first_of` the same for reading one by one; `some` tells whether anything passes.

    The last place of the group arrays stands for index -1, a group that the catalogue does not have: it does not pass.
    """

    items: Bools
    groups: Bools
    first: Ints
    first_of: memoryview
    some: bool


@dataclass
class Catalogue:
    """All items of a tenant at a moment; an item's index is its place in the order of item numbers.

    `group` int64[I] is the index of an item's group in `group_no` int64[G], both ascending by number. `available` bool[I] and
    `price` float64[I], NaN where there is none, hold until the unix moment `until`: `timed` has what moves with the clock.
    `code[name]` int32[I] points into `words[name]` for kind, category, brand and currency. `created` float64[I] is when each item came,
    in unix seconds; empty in a picture on disk that is older than this column.
    """

    item_no: Ints
    item_ids: list[str]
    group: Ints
    group_no: Ints
    available: Bools
    price: NDArray[np.float64]
    code: dict[str, NDArray[np.int32]]
    words: dict[str, list[str]]
    documents: Documents
    offsets: Ints
    changed: dict[int, bytes] = field(default_factory=dict)
    timed: clocked.Timed = field(default_factory=clocked.none)
    until: float = float("inf")
    created: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    def __len__(self) -> int:
        return len(self.item_no)

    @cached_property
    def index_of(self) -> dict[str, int]:
        """Index by item id."""
        return {item_id: index for index, item_id in enumerate(self.item_ids)}

    @cached_property
    def place_of(self) -> dict[int, int]:
        """Group index by group number."""
        return {number: index for index, number in enumerate(self.group_no.tolist())}

    @cached_property
    def categories(self) -> dict[str, str]:
        """Every category that an item is in, also by one below it, as it is spelled, by its comparable form."""
        found: dict[str, str] = {}
        for word in self.words["category"]:
            while word:
                found.setdefault(comparable(word), word)
                word = above(word)
        return found

    @cached_property
    def _comparable(self) -> dict[str, list[str]]:
        return {name: list(map(comparable, words)) for name, words in self.words.items()}

    @cached_property
    def numbers(self) -> list[int]:
        """Item number by index, as plain numbers."""
        numbers: list[int] = self.item_no.tolist()
        return numbers

    @cached_property
    def cells(self) -> tuple[bytes, bytes]:
        """Item numbers and prices as PostgreSQL's binary elements of int4[] and float4[], 8 bytes an item: length, then value."""
        made = []
        for kind, values in ((">i4", self.item_no), (">f4", np.nan_to_num(self.price))):
            cell = np.empty(len(values), [("length", ">i4"), ("value", kind)])
            cell["length"], cell["value"] = 4, values
            made.append(cell.tobytes())
        return made[0], made[1]

    @cached_property
    def _by_group(self) -> tuple[Ints, Ints]:
        order = np.argsort(self.group, kind="stable")
        return order, np.searchsorted(self.group[order], np.arange(len(self.group_no) + 1))

    @cached_property
    def _by_number(self) -> Ints | None:
        """Group index by group number, -1 where there is none, as for 0 and the last place; None where numbers lie far apart."""
        if self.group_no[0] < 1 or self.group_no[-1] > 8 * len(self.group_no):
            return None
        found = np.full(int(self.group_no[-1]) + 2, -1, np.int64)
        found[self.group_no] = np.arange(len(self.group_no))
        return found

    @cached_property
    def _masks(self) -> dict[str, "Passing"]:
        return {}

    @cached_property
    def held(self) -> dict[str, Bools | None]:
        """What meets the conditions of filters, by their spelling; see `conditions`."""
        return {}

    @cached_property
    def fields(self) -> dict[str, tuple[list[Any], dict[int, bytes]]]:
        """Fields of all documents that rules read, and the changed documents they were read from; see `item_facts`."""
        return {}

    @cached_property
    def shelves(self) -> dict[str, Any]:
        """Items prepared for showing, by locale; filled by `app.serving.render.shelf`."""
        return {}

    def prepare(self) -> None:
        """Build the indexes that are otherwise built on first use."""
        self.index_of, self.place_of, self.numbers, self.categories, self._comparable, self.cells, self._by_group, self._masks, self.shelves  # noqa: B018 - reading a cached property builds it
        self.fields, self.group_index(())

    def take_over(self, before: "Catalogue") -> None:
        """Use the objects of an earlier catalogue for the items that both begin with, which are most: new items have higher numbers."""
        count = len(before)
        if self.item_ids[:count] != before.item_ids:
            return
        added = self.item_ids[count:]
        self.item_ids = before.item_ids + added
        self.__dict__["index_of"] = {**before.index_of, **{item: index for index, item in enumerate(added, count)}}
        groups = len(before.group_no)
        if np.array_equal(self.group_no[:groups], before.group_no):
            more = enumerate(self.group_no[groups:].tolist(), groups)
            self.__dict__["place_of"] = {**before.place_of, **{number: index for index, number in more}}
        if np.array_equal(self.item_no[:count], before.item_no):
            self.__dict__["numbers"] = before.numbers + self.item_no[count:].tolist()

    def document(self, index: int) -> dict[str, Any]:
        """Return an item's document as it was sent."""
        raw = self.changed.get(index)
        if raw is None:
            raw = self.documents.between(int(self.offsets[index]), int(self.offsets[index + 1]))
        parsed = orjson.loads(raw)
        return parsed if isinstance(parsed, dict) else {}

    def index_of_number(self, item_no: int) -> int:
        """Return the index of an item number, or -1."""
        place = int(np.searchsorted(self.item_no, item_no))
        return place if place < len(self.item_no) and self.item_no[place] == item_no else -1

    def group_index(self, group_nos: Any) -> Ints:
        """Return the index of each group number, -1 where the catalogue has none."""
        wanted = np.asarray(group_nos, np.int64)
        if not len(self.group_no):
            return np.full(wanted.shape, -1, np.int64)
        if (table := self._by_number) is not None:
            return table.take(wanted, mode="clip")
        place = np.minimum(np.searchsorted(self.group_no, wanted), len(self.group_no) - 1)
        return np.where(self.group_no[place] == wanted, place, -1)

    def items_of(self, group: int) -> Ints:
        """Return the item indexes of a group, in the order of their numbers."""
        order, bounds = self._by_group
        return order[bounds[group] : bounds[group + 1]]

    def passing(self, wanted: Filter) -> "Passing":
        """Return what is available and passes a filter; remembered."""
        found = self._masks.get(wanted.key)
        if found is None:
            found = self.first_of(self._passing_items(wanted))
            self.keep(wanted, found)
        return found

    def keep(self, wanted: Filter, passing: "Passing") -> None:
        """Remember what passes a filter."""
        while len(self._masks) >= min(_MOST_MASKS, max(_LEAST_MASKS, _MASK_BYTES // (len(self) + 9 * len(self.group_no) + 1))):
            del self._masks[next(iter(self._masks))]
        self._masks[wanted.key] = passing

    def first_of(self, items: Bools) -> "Passing":
        """Return what passes as items and by group."""
        first = np.full(len(self.group_no) + 1, -1, np.int64)
        order, _ = self._by_group
        # written backwards, so that of several items of a group the first one stays
        good = order[items[order]][::-1]
        first[self.group[good]] = good
        return Passing(items, first >= 0, first, first.data, bool(items.any()))

    def _passing_items(self, wanted: Filter) -> Bools:
        items = self.available.copy()
        for name, allowed in (("category", wanted.categories), ("brand", wanted.brands), ("kind", wanted.kinds)):
            if allowed:
                items &= self._coded(name, allowed)
        for name, barred in (("category", wanted.not_categories), ("brand", wanted.not_brands)):
            if barred:
                items &= ~self._coded(name, barred)
        if wanted.price_min is not None or wanted.price_max is not None:
            items &= self._priced_in(wanted.currency or self.main_currency)
        if wanted.price_min is not None:
            items &= self.price >= wanted.price_min
        if wanted.price_max is not None:
            items &= self.price <= wanted.price_max
        if wanted.where and (met := conditions.met(self, wanted.where)) is not None:
            items &= met
        return items

    @cached_property
    def main_currency(self) -> str:
        """The currency of most priced items, '' when no price has one; it is what bounds of a price mean."""
        counts = np.bincount(self.code["currency"][~np.isnan(self.price)], minlength=len(self.words["currency"]))
        named = [(int(count), word) for count, word in zip(counts, self.words["currency"], strict=True) if word and count]
        return max(named, default=(0, ""))[1]

    def _priced_in(self, currency: str) -> Bools:
        # a price without a currency is one of the shop's own
        return self._coded("currency", (currency, "") if currency == self.main_currency else (currency,))

    def _coded(self, name: str, allowed: Iterable[str]) -> Bools:
        # a category also names what lies below it: "Shoes" passes "Shoes > Boots"
        exact = {comparable(word) for word in allowed}
        prefixes = tuple(f"{word}{BELOW}" for word in exact) if name == "category" else ()
        codes = [code for code, word in enumerate(self._comparable[name]) if word in exact or (prefixes and word.startswith(prefixes))]
        return np.isin(self.code[name], codes)

    def word(self, name: str, index: int) -> str:
        """Return an item's kind, category or brand."""
        return str(self.words[name][self.code[name][index]])

    def at(self, now: float) -> "Catalogue":
        """Return a copy with the stock and the prices of a unix moment."""
        fresh = self._copy()
        fresh.until = clocked.settle(fresh.timed, fresh.available, fresh.price, now)
        return fresh

    def _copy(self) -> "Catalogue":
        fresh = Catalogue(
            self.item_no, self.item_ids, self.group, self.group_no, self.available.copy(), self.price.copy(),
            {name: code.copy() for name, code in self.code.items()}, self.words, self.documents, self.offsets, dict(self.changed),
            self.timed, self.until, self.created,
        )  # fmt: skip
        # the items and their groups stay, so what was built over them serves on
        fresh.__dict__.update({name: self.__dict__[name] for name in _LASTING if name in self.__dict__})
        return fresh

    def with_changes(self, rows: list[Row], now: float) -> "Catalogue | None":
        """Return a copy of a unix moment in which some items have changed.

        None when an item or word is new, or an item has another group, which needs a fresh base.
        """
        indexes = [self.index_of_number(row.item_no) for row in rows]
        if any(index < 0 for index in indexes):
            return None
        codes = {name: {word: code for code, word in enumerate(words)} for name, words in self.words.items()}
        fresh = self._copy()
        timed = []
        for index, row in zip(indexes, rows, strict=True):
            if row.group_no != self.group_no[self.group[index]]:
                return None
            for name in self.words:
                code = codes[name].get(getattr(row, name))
                if code is None:
                    return None
                fresh.code[name][index] = code
            fresh.available[index] = row.available
            fresh.price[index] = row.price
            fresh.changed[index] = row.document
            if row.sale is not None or row.expires is not None:
                timed.append(clocked.entry(index, row.available, row.price, row.sale, row.begins, row.ends, row.expires))
        fresh.timed = clocked.replaced(fresh.timed, indexes, timed)
        fresh.until = clocked.settle(fresh.timed, fresh.available, fresh.price, now)
        return fresh
