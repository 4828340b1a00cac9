"""The examples of the field on a real shop's orders: members equal those of a plain reading of the file."""

import csv
import gzip
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from app.core import clock
from app.core.db import Database
from app.core.settings import Settings
from app.data.catalogue import service as catalog
from app.data.conditions.language import condition
from app.data.facts import packed
from app.data.facts.domain import Seen
from app.data.facts.entries import everything
from app.data.facts.standing import Edges
from app.data.kinds import Kind
from app.data.online.publisher import Publisher
from app.data.people import states
from app.data.segments.edges import counted
from tests.data.conftest import Put, event

FILE = Path(__file__).resolve().parents[4] / "shared" / "data" / "online-retail" / "online_retail_2010-12_2011-08.csv.gz"
NOW = datetime(2011, 8, 15, 12, tzinfo=UTC)
HALF_STEP = timedelta(hours=12)
FACTS = everything()


class Line(NamedTuple):
    order: str
    item: str
    at: datetime
    quantity: int
    price: float


def lines(customers: int) -> dict[str, list[Line]]:
    """Return what the first customers of the file bought until NOW; what was cancelled or given away is left out."""
    found: dict[str, list[Line]] = defaultdict(list)
    told: set[tuple[str, str]] = set()
    with gzip.open(FILE, "rt", newline="") as text:
        for row in csv.DictReader(text):
            named = {name.replace(" ", "").casefold(): value for name, value in row.items()}
            customer = (named.get("customerid") or "").partition(".")[0]
            quantity, price = int(named["quantity"]), float(named.get("unitprice") or named.get("price") or 0)
            if not customer or quantity <= 0 or price <= 0 or (customer not in found and len(found) >= customers):
                continue
            at = datetime.fromisoformat(named["invoicedate"]).replace(tzinfo=UTC)
            order, item = named.get("invoice") or named["invoiceno"], named["stockcode"]
            # an item that stands in an order twice, each told by itself, would be the order told again
            if at < NOW and (order, item) not in told:
                told.add((order, item))
                found[customer].append(Line(order, item, at, quantity, price))
    return dict(found)


def within(bought: list[Line], days: int) -> list[Line]:
    return [line for line in bought if NOW - line.at <= timedelta(days=days)]


def money(bought: list[Line]) -> float:
    return sum(line.quantity * line.price for line in bought)


PLAIN = {
    "purchases.30d > 5": lambda bought: len(within(bought, 30)) > 5,
    "purchases.30d < 2": lambda bought: len(within(bought, 30)) < 2,
    "orders.30d >= 1 and spent.30d > 500": lambda bought: money(within(bought, 30)) > 500,
    "purchases > 3 and days_since.purchase < 7": lambda bought: len(bought) > 3 and len(within(bought, 7)) > 0,
    "orders >= 5": lambda bought: len({line.order for line in bought}) >= 5,
    "average_order > 300": lambda bought: money(bought) / len({line.order for line in bought}) > 300,
    "days_since.order > 60 and spent.365d > 200": lambda bought: not within(bought, 60) and money(bought) > 200,
    "spent.90d > spent * 0.5": lambda bought: money(within(bought, 90)) > money(bought) * 0.5,
}


@pytest.mark.skipif(not FILE.exists(), reason="the data set is not beside the project")
async def test_examples_of_the_field_have_the_members_that_a_plain_reading_of_the_file_finds(
    put: Put, db: Database, settings: Settings, publisher: Publisher, tenant: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    shop, number = lines(60), 0
    items = {line.item: line.item for bought in shop.values() for line in bought}
    await catalog.put_items(db, settings, tenant, [{"id": item, "title": item} for item in items])
    for customer, bought in shop.items():
        events = []
        for line in bought:
            number += 1
            events.append(
                event(
                    number,
                    customer,
                    line.item,
                    Kind.PURCHASE,
                    order_id=line.order,
                    quantity=line.quantity,
                    value=line.price,
                    occurred_at=line.at,
                )
            )
        await put(*events)
    await states.Applier(db, settings, publisher, tenant).apply()
    rows = await db.rows("select i.value, s.facts from person_state s join person_identity i using (tenant, person_no) where i.kind = 1")
    assert {row[0] for row in rows} == set(shop)
    # the edge of a window is exact to half a step: whoever bought there is not compared
    edgy = {
        user
        for user, bought in shop.items()
        if any(abs(NOW - line.at - timedelta(days=n)) <= HALF_STEP for line in bought for n in (30, 90))
    }
    for text, plain in PLAIN.items():
        wanted = condition(text, FACTS)
        inside = {user for user, value in rows if wanted.test(Seen(person=packed.read(value), now=NOW.timestamp()))} - edgy
        assert inside == {user for user, bought in shop.items() if plain(bought)} - edgy, text
        assert 0 < len(inside) < len(shop) - len(edgy), text
    edges = counted([row[1] for row in rows], [], NOW.timestamp())
    assert edges != Edges()
    cells = defaultdict(int)
    for _, value in rows:
        view = Seen(person=packed.read(value), now=NOW.timestamp(), edges=edges)
        cells[FACTS.by_name["rfm.recency"].reading(FACTS.find(["rfm", "recency"], None, "")[1])(view)] += 1
    # five parts of sixty customers
    assert sorted(cells) == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert all(10 <= count <= 14 for count in cells.values())
