"""The catalogue: arrays for filters in memory, documents in one file, and the shape of each item as it is shown."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from app.decisions.placements.domain import Filter
from app.serving.snapshot.arena import Documents

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


# built over item and group numbers and item ids alone
_LASTING = ("index_of", "place_of", "numbers", "_by_group")


@dataclass(frozen=True)
class Row:
    """An item as it is read from the database."""

    item_no: int
    group_no: int
    item_id: str
    kind: str
    category: str
    brand: str
    available: bool
    price: float
    document: bytes


class Passing(NamedTuple):
    """What passes a filter: `items` bool[I], `groups` bool[G+1], `first` int64[G+1] the first such item of a group or -1, and
    `first_of` the same for reading one by one.

    The last place of the group arrays stands for index -1, a group that the catalogue does not have: it does not pass.
    """

    items: Bools
    groups: Bools
    first: Ints
    first_of: memoryview


@dataclass
class Catalogue:
    """All items of a tenant; an item's index is its place in the order of item numbers.

    `group` int64[I] is the index of an item's group in `group_no` int64[G], both ascending by number. `price` float64[I] is
    NaN where there is none. `code[name]` int32[I] points into `words[name]` for kind, category and brand.
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
    def _masks(self) -> dict[str, "Passing"]:
        return {}

    @cached_property
    def shelves(self) -> dict[str, Any]:
        """Items prepared for showing, by locale; filled by `app.serving.items`."""
        return {}

    def prepare(self) -> None:
        """Build the indexes that are otherwise built on first use."""
        self.index_of, self.place_of, self.numbers, self.cells, self._by_group, self._masks, self.shelves  # noqa: B018 - reading a cached property builds it

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
            if len(self._masks) >= 512:
                self._masks.clear()
            items = self._passing_items(wanted)
            first = np.full(len(self.group_no) + 1, -1, np.int64)
            order, _ = self._by_group
            # written backwards, so that of several items of a group the first one stays
            good = order[items[order]][::-1]
            first[self.group[good]] = good
            found = self._masks[wanted.key] = Passing(items, first >= 0, first, first.data)
        return found

    def _passing_items(self, wanted: Filter) -> Bools:
        items = self.available.copy()
        for name, allowed in (("category", wanted.categories), ("brand", wanted.brands), ("kind", wanted.kinds)):
            if allowed:
                items &= self._coded(name, allowed)
        if wanted.not_categories:
            items &= ~self._coded("category", wanted.not_categories)
        if wanted.price_min is not None:
            items &= self.price >= wanted.price_min
        if wanted.price_max is not None:
            items &= self.price <= wanted.price_max
        return items

    def _coded(self, name: str, allowed: Iterable[str]) -> Bools:
        # a category also names what lies below it: "Shoes" passes "Shoes > Boots"
        prefixes = tuple(f"{word} > " for word in allowed)
        exact = set(allowed)
        codes = [code for code, word in enumerate(self.words[name]) if word in exact or (name == "category" and word.startswith(prefixes))]
        return np.isin(self.code[name], codes)

    def word(self, name: str, index: int) -> str:
        """Return an item's kind, category or brand."""
        return str(self.words[name][self.code[name][index]])

    def with_changes(self, rows: list[Row]) -> "Catalogue | None":
        """Return a copy in which some items have changed; None when an item or word is new, which needs a fresh base."""
        indexes = [self.index_of_number(row.item_no) for row in rows]
        if any(index < 0 for index in indexes):
            return None
        codes = {name: {word: code for code, word in enumerate(words)} for name, words in self.words.items()}
        fresh = Catalogue(
            self.item_no, self.item_ids, self.group, self.group_no, self.available.copy(), self.price.copy(),
            {name: code.copy() for name, code in self.code.items()}, self.words, self.documents, self.offsets, dict(self.changed),
        )  # fmt: skip
        # the items and their groups stay, so what was built over them serves on
        fresh.__dict__.update({name: self.__dict__[name] for name in _LASTING if name in self.__dict__})
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
        return fresh
