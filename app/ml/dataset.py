"""Events of a tenant as arrays: streamed from PostgreSQL in its binary format, in bounded memory."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.db import Database, driver
from app.data.profiles import orders
from app.ml import contract
from app.ml.interactions import NO_ORDER, Interactions

# COPY ... BINARY: a field count and, before each value, its length; no column is null, so that all lines have one width
_FIELDS = (("person", ">i8"), ("group", ">i4"), ("kind", ">i2"), ("age", ">f8"), ("order", ">i8"), ("amount", ">f4"), ("telling", ">i8"))
_LINE = np.dtype([("fields", ">i2"), *[part for name, kind in _FIELDS for part in ((f"{name}_length", ">i4"), (name, kind))]])
_HEADER_BYTES = 19
_DAY = 86_400

_EVENTS = f"""
select p.root_no::int8, coalesce(i.group_no, e.group_no, 0)::int4, e.kind::int2,
       (extract(epoch from $3::timestamptz - e.occurred_at) / 86400)::float8,
       coalesce(e.order_key, -1)::int8,
       coalesce(e.quantity, 0)::float4, {orders.TELLING}
from event e join person p on p.tenant = e.tenant and p.person_no = e.person_no
left join item i on i.tenant = e.tenant and i.item_no = e.item_no
where e.tenant = $1 and e.occurred_at >= $2 and e.occurred_at < $3
  and ((e.group_no is not null and (e.kind > 0 or e.kind = {orders.RETURN})) or e.kind = {orders.CANCEL})
  and e.mark is null and not (e.public and e.kind in {orders.CONCERNED})
  and coalesce(p.consent, $4::int) <> 0
"""
_GROUPS = """
select distinct group_no from item where tenant = $1 and not absent
union select distinct coalesce(i.group_no, e.group_no) from event e left join item i on i.tenant = e.tenant and i.item_no = e.item_no
  where e.tenant = $1 and e.occurred_at >= $2 and e.occurred_at < $3 and e.group_no is not null and e.mark is null
order by 1
"""


@dataclass(frozen=True)
class Window:
    """Events from `start` up to, not including, `end`."""

    start: datetime
    end: datetime

    @classmethod
    def days(cls, end: datetime, days: float) -> "Window":
        """Return the window of that many days before `end`."""
        return cls(end - timedelta(days=days), end)


async def read(db: Database, tenant: int, window: Window, *, default_consent: bool) -> Interactions:
    """Read the events in a window, but those of people who withdrew their consent and orders of public keys.

    What was returned or told again is not among them. Rows are the groups in the catalogue and those with events; ages are days
    before the end of the window.
    """
    lines = _Lines()
    async with db.begin() as connection:
        raw = await driver(connection)
        groups = np.array([row[0] for row in await raw.fetch(_GROUPS, tenant, window.start, window.end)], np.int64)
        arguments = (tenant, window.start, window.end, int(default_consent))
        await raw.copy_from_query(_EVENTS, *arguments, output=lines.take, format="binary")
    return lines.interactions(groups)


class _Lines:
    """Takes the bytes of a binary COPY as they come and keeps compact columns."""

    def __init__(self) -> None:
        self._rest = b""
        self._started = False
        self._parts: list[tuple[NDArray[Any], ...]] = []

    async def take(self, data: bytes) -> None:
        """Take the next bytes."""
        self._rest += data
        if not self._started:
            if len(self._rest) < _HEADER_BYTES:
                return
            self._rest, self._started = self._rest[_HEADER_BYTES:], True
        if len(self._rest) >= 1 << 20:
            self._cut()

    def _cut(self) -> None:
        whole = len(self._rest) // _LINE.itemsize
        lines = np.frombuffer(self._rest, _LINE, whole)
        self._rest = self._rest[whole * _LINE.itemsize :]
        types = (np.int64, np.int32, np.int8, np.float64, np.int64, np.float32, np.int64)
        self._parts.append(tuple(lines[name].astype(kind) for (name, _), kind in zip(_FIELDS, types, strict=True)))

    def interactions(self, groups: NDArray[np.int64]) -> Interactions:
        """Return all that came, with people and groups as positions."""
        self._cut()
        person, group, kind, age, order, amount, telling = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        self._parts.clear()
        moment = np.rint(age * -_DAY).astype(np.int64)
        void, left = orders.left(person, group, kind, moment, np.where(order == NO_ORDER, 0, order), telling, amount)
        kept = (kind > 0) & ~void
        person, group, kind, age, order = (column[kept] for column in (person, group, kind, age, order))
        amount = left[kept].astype(np.float32)
        numbers, position = np.unique(person, return_inverse=True)
        row = np.searchsorted(groups, group).astype(np.int32)
        found = Interactions(groups, len(numbers), position.astype(np.int32), row, kind, age.astype(np.float32), order, amount)
        return in_order(found, moment[kept])


def in_order(data: Interactions, moment: NDArray[np.int64]) -> Interactions:
    """Return the events by person and moment (whole seconds), oldest first, with ages that tell the moments of each person apart."""
    order = np.lexsort((moment, data.person))
    found = replace(data, **{one: getattr(data, one)[order] for one in ("person", "row", "kind", "age", "order", "amount")})
    return replace(found, age=contract.told_apart(found.age, moment[order], found.person))
