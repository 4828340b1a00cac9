"""Builds a catalogue from all items of a tenant, read a few at a time, so that they never stand in memory as objects."""

from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from app.serving.snapshot import arena, clocked
from app.serving.snapshot.catalogue import Catalogue

CODED = ("kind", "category", "brand", "currency")


class Rows:
    """Items as they come from the database, kept column by column: numbers as numbers, documents in a file of `folder`, if there is one."""

    def __init__(self, folder: Path | None = None) -> None:
        self.item_no, self.group_no, self.price = array("q"), array("q"), array("d")
        self.created = array("d")
        self.item_ids: list[str] = []
        self.available = bytearray()
        self.code = {name: array("i") for name in CODED}
        self.words: dict[str, dict[str, int]] = {name: {} for name in CODED}
        self.lengths = array("q")
        self.timed: list[tuple[Any, ...]] = []
        self.documents = arena.Writing(folder)

    def __len__(self) -> int:
        return len(self.item_ids)

    def add(self, records: Sequence[Any]) -> None:
        """Append items by ascending number, in the order of the fields of `Row`; documents are bytes."""
        item_no, group_no, item_id, kind, category, brand, available, price, document, currency, sale, begins, ends, expires, created = zip(
            *records, strict=True
        )
        for place, (reduced, expiring) in enumerate(zip(sale, expires, strict=True)):
            if reduced is not None or expiring is not None:
                index = len(self.item_ids) + place
                self.timed.append(clocked.entry(index, available[place], price[place], reduced, begins[place], ends[place], expiring))
        self.item_no.extend(item_no)
        self.group_no.extend(group_no)
        self.item_ids.extend(item_id)
        self.available.extend(available)
        self.price.extend(price)
        self.created.extend(created)
        for name, values in zip(CODED, (kind, category, brand, currency), strict=True):
            known = self.words[name]
            self.code[name].extend([known.setdefault(value, len(known)) for value in values])
        self.lengths.extend(map(len, document))
        self.documents.write(b"".join(document))


def build(rows: Rows, now: float) -> Catalogue:
    """Build a catalogue of a unix moment; `rows` give their documents to it and cannot be used again."""
    group_no, group = np.unique(np.array(rows.group_no, np.int64), return_inverse=True)
    words, code = {}, {}
    for name in CODED:
        # words in their order, whichever came first
        words[name] = sorted(rows.words[name])
        place = np.zeros(max(1, len(words[name])), np.int32)
        place[[rows.words[name][word] for word in words[name]]] = np.arange(len(words[name]), dtype=np.int32)
        code[name] = place[np.array(rows.code[name], np.int32)]
    timed = np.array(rows.timed, clocked.TIMED)
    stock, price = np.frombuffer(rows.available, np.bool_).copy(), np.array(rows.price, np.float64)
    until = clocked.settle(timed, stock, price, now)
    return Catalogue(
        item_no=np.array(rows.item_no, np.int64),
        item_ids=rows.item_ids,
        group=group.astype(np.int64).reshape(-1),
        group_no=group_no.astype(np.int64),
        available=stock,
        price=price,
        code=code,
        words=words,
        documents=rows.documents.done(),
        offsets=np.concatenate([[0], np.cumsum(np.array(rows.lengths, np.int64))]).astype(np.int64),
        timed=timed,
        until=until,
        created=np.array(rows.created, np.float64),
    )
