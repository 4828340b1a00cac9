"""Facts of all items as columns, made on first use: what rules read of the catalogue."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from app.data.catalogue.values.faults import ItemRefused
from app.data.catalogue.values.money import read_money
from app.data.facts.domain import LARGEST, Value, told

if TYPE_CHECKING:
    from app.serving.snapshot.catalogue import Catalogue, Ints

Numbers = NDArray[np.float64]
_DAY = 86_400
_COST, _STOCK, _RATING = ("cost_of_goods_sold", "cost"), ("quantity", "stock_quantity", "stock", "inventory"), ("rating", "average_rating")
_CODED = ("brand", "category", "kind", "currency")
_WITHIN = "attributes"


class Item:
    """One item of the columns, as conditions read it."""

    __slots__ = ("_facts", "_index")

    def __init__(self, facts: "ItemFacts", index: int) -> None:
        self._facts, self._index = facts, index

    def value(self, name: str, key: str) -> Value:
        """Return a fact by its name; None where it is not known."""
        return self._facts.value(self._index, name, key)


class ItemFacts:
    """The facts of a catalogue's items at a unix moment; `popular` are group numbers, best first."""

    def __init__(self, catalogue: "Catalogue", popular: "Ints", now: float) -> None:
        self._catalogue, self._popular, self.now = catalogue, popular, now
        self._made: dict[tuple[str, str], Numbers | tuple[NDArray[np.int64], list[Value]]] = {}

    def __len__(self) -> int:
        return len(self._catalogue)

    def at(self, now: float) -> "ItemFacts":
        """Return the facts of another moment; what does not move with time is taken over."""
        fresh = ItemFacts(self._catalogue, self._popular, now)
        fresh._made = {ref: made for ref, made in self._made.items() if ref[0] != "item.age"}
        return fresh

    def item(self, index: int) -> Item:
        """Return one item."""
        return Item(self, index)

    def found(self, item_id: str) -> Sequence[int]:
        """Return the indexes of the items that an id means: the item's own, or all of a group; none for an unknown one."""
        index = self._catalogue.index_of.get(item_id, -1)
        if index >= 0:
            return (index,)
        return self._groups.get(item_id, ())

    def same_group(self, indexes: Sequence[int]) -> Sequence[int]:
        """Return all items of the groups of some items."""
        catalogue = self._catalogue
        return [int(one) for group in dict.fromkeys(catalogue.group[list(indexes)].tolist()) for one in catalogue.items_of(group)]

    def codes(self, by: str) -> memoryview:
        """Return a number for each item that stands for its brand, category or kind; -1 where it has none."""
        code, words = self._catalogue.code[by], self._catalogue.words[by]
        return np.where(code == words.index(""), np.int32(-1), code).astype(np.int32).data if "" in words else code.data

    def numeric(self, name: str, key: str) -> bool:
        """Tell whether a fact is a column of numbers."""
        return name in _NUMERIC

    def numbers(self, name: str, key: str = "") -> Numbers:
        """Return a column of numbers, NaN where nothing is known."""
        made = self._made.get((name, key))
        if made is None:
            made = self._made[name, key] = _NUMERIC[name](self)
        assert isinstance(made, np.ndarray)
        return made

    def coded(self, name: str, key: str = "") -> tuple[NDArray[np.int64], list[Value]]:
        """Return any other column: the place of each item's value in a list of values."""
        made = self._made.get((name, key))
        if made is None:
            made = self._made[name, key] = self._encoded(name, key)
        assert isinstance(made, tuple)
        return made

    def value(self, index: int, name: str, key: str = "") -> Value:
        """Return one value; None where it is not known."""
        if name in _NUMERIC:
            number = float(self.numbers(name, key)[index])
            return number if number == number else None
        codes, values = self.coded(name, key)
        return values[int(codes[index])]

    def _encoded(self, name: str, key: str) -> tuple[NDArray[np.int64], list[Value]]:
        catalogue, field = self._catalogue, name.removeprefix("item.")
        if field in _CODED:
            words: list[Value] = [word or None for word in catalogue.words[field]]
            return catalogue.code[field].astype(np.int64), words or [None]
        if field == "on_sale":
            timed, reduced = catalogue.timed, np.zeros(len(catalogue), np.int64)
            reduced[timed["index"]] = catalogue.price[timed["index"]] < timed["price"]
            return reduced, [False, True]
        if field == "id":
            return np.arange(len(catalogue)), list(catalogue.item_ids)
        if field == "group":
            ids = self._field("item_group_id")
            return _codes([str(one) if one not in (None, "") else own for one, own in zip(ids, catalogue.item_ids, strict=True)])
        return _codes([None if one == "" else told(one) for one in self._field(key or field)])

    def _field(self, name: str) -> list[Any]:
        """Return a field of all documents; read once, and anew where a document has changed since."""
        catalogue = self._catalogue
        kept = catalogue.fields.get(name)
        if kept is None:
            values, seen = [_read(catalogue.document(index), name) for index in range(len(catalogue))], dict(catalogue.changed)
        else:
            values, seen = kept
            fresh = [index for index, raw in catalogue.changed.items() if seen.get(index) is not raw]
            if fresh:
                values, seen = list(values), dict(catalogue.changed)
                for index in fresh:
                    values[index] = _read(catalogue.document(index), name)
        catalogue.fields[name] = values, seen
        return values

    def _first(self, names: Sequence[str]) -> Numbers:
        columns = [_as_numbers(self._field(name)) for name in names]
        found = columns[0]
        for column in columns[1:]:
            found = np.where(np.isnan(found), column, found)
        return np.asarray(found, np.float64)

    def _margin(self) -> Numbers:
        catalogue, cost = self._catalogue, np.full(len(self), np.nan)
        words = catalogue.words["currency"]
        for name in reversed(_COST):
            for index, said in enumerate(self._field(name)):
                if said not in (None, ""):
                    cost[index] = _cost(said, words[catalogue.code["currency"][index]])
        return np.asarray(catalogue.price - cost, np.float64)

    def _age(self) -> Numbers:
        created = self._catalogue.created
        return np.asarray(np.maximum(self.now - created, 0.0) / _DAY if len(created) else np.full(len(self), np.nan), np.float64)

    def _popularity(self) -> Numbers:
        catalogue = self._catalogue
        groups: Numbers = np.zeros(len(catalogue.group_no) + 1)
        places = catalogue.group_index(self._popular)
        groups[places] = 1.0 - np.arange(len(places)) / max(1, len(places))
        return np.asarray(groups[catalogue.group], np.float64)

    @cached_property
    def _groups(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for index, group_id in enumerate(self._field("item_group_id")):
            if group_id not in (None, ""):
                found.setdefault(str(group_id), []).append(index)
        return found


_NUMERIC: Mapping[str, Any] = {
    "item.price": lambda facts: facts._catalogue.price,
    "item.margin": ItemFacts._margin,
    "item.age": ItemFacts._age,
    "item.popularity": ItemFacts._popularity,
    "item.stock": lambda facts: facts._first(_STOCK),
    "item.rating": lambda facts: facts._first(_RATING),
}


def _read(document: Mapping[str, Any], name: str) -> Any:
    found = document.get(name)
    within = document.get(_WITHIN)
    return within.get(name) if found is None and isinstance(within, Mapping) else found


def _number(value: Any) -> float | None:
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if abs(found) <= LARGEST else None


def _as_numbers(values: Sequence[Any]) -> Numbers:
    return np.array([np.nan if (found := _number(one)) is None else found for one in values], np.float64)


def _cost(value: Any, currency: str) -> float:
    try:
        money = read_money(value, currency)
    except ItemRefused:
        return float("nan")
    return float(money.amount) if money.currency in (currency, "") else float("nan")


def _codes(values: Sequence[Value]) -> tuple[NDArray[np.int64], list[Value]]:
    places: dict[Any, int] = {}
    # True and 1.0 are the same key, and not the same value
    codes = [places.setdefault((one.__class__, one), len(places)) for one in values]
    return np.array(codes, np.int64), [value for _, value in places] or [None]
