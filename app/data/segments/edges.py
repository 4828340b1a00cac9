"""Where the parts of a shop end: quintiles of its customers, thirds of its prices. Counted once a day, so that nobody wavers."""

from datetime import timedelta

import numpy as np
import orjson

from app.core import changes, clock
from app.core.db import Database, driver
from app.data.facts import packed
from app.data.facts.standing import DAY, Edges
from app.data.profiles.codec import ORDER
from app.data.segments import store

EVERY = timedelta(hours=24)
LEAST = 20
"""Of fewer customers, or priced items, no parts are made: the usual edges stand."""
_SAMPLE = 100_000
_PRICES = "select price::float8 from item where tenant = $1 and price is not null and not absent order by hashint4(item_no) limit $2"
_KEEP = """
insert into fact_edges (tenant, edges, computed_at) values ($1, $2::jsonb, $3)
on conflict (tenant) do update set edges = excluded.edges, computed_at = excluded.computed_at
"""
_AGE = "select computed_at from fact_edges where tenant = $1"
_FIFTHS, _THIRDS = (20, 40, 60, 80), (100 / 3, 200 / 3)


async def refresh(db: Database, tenant: int, *, force: bool = False) -> bool:
    """Count the edges of a tenant anew when they are a day old; tell whether that was done."""
    now = clock.now()
    async with db.begin() as connection:
        below = await driver(connection)
        at = await below.fetchval(_AGE, tenant)
        if at is not None and now - at < EVERY and not force:
            return False
        values = [value for value, _ in await store.sample(connection, tenant, _SAMPLE)]
        prices = [row[0] for row in await below.fetch(_PRICES, tenant, _SAMPLE)]
        found = counted(values, prices, now.timestamp())
        if found == Edges() and at is None:
            return False
        await below.execute(_KEEP, tenant, orjson.dumps(found._asdict()).decode(), now)
        await changes.bump(connection, tenant, "facts")
    return True


def counted(values: list[bytes], prices: list[float], now: float) -> Edges:
    """Return the edges of people, as packed, and of prices; the usual ones where there are too few."""
    days, orders, money = [], [], []
    for value in values:
        person = packed.read(value)
        if person is not None and ORDER in person.lasts:
            days.append((now - person.lasts[ORDER]) / DAY)
            orders.append(float(person.total(ORDER)))
            money.append(person.paid)
    usual = Edges()
    if len(days) >= LEAST:
        usual = usual._replace(recency=_parts(days, _FIFTHS), frequency=_parts(orders, _FIFTHS), monetary=_parts(money, _FIFTHS))
    return usual._replace(price=_parts(prices, _THIRDS)) if len(prices) >= LEAST else usual


def _parts(values: list[float], percents: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(round(float(edge), 4) for edge in np.percentile(np.asarray(values), percents))
