"""The generated shop: the same for the same seed, shaped like a shop, valid as a catalogue, and learnable."""

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from app.data.catalogue.domain import read_item
from app.data.catalogue.values.pricing import price_at
from app.data.catalogue.values.texts import text_at
from app.demo.shop.catalogue import documents
from app.demo.shop.generator import CART, PURCHASE, VIEW, Shop, Size, generate
from app.demo.shop.vocabulary import CATEGORIES
from app.ml.dataset import Window
from app.ml.interactions import Interactions
from app.ml.training import trainer
from app.ml.training.service import recommender
from app.plugins import RECOMMENDERS

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
SMALL = Size.scaled(0.04)


def made(seed: int = 7, size: Size = SMALL) -> Shop:
    return generate(np.random.default_rng(seed), NOW, size)


@pytest.fixture(scope="module")
def shop() -> Shop:
    return made()


def test_the_same_seed_and_moment_give_the_same_shop(shop: Shop) -> None:
    again = made()
    for part in ("catalogue", "people", "events"):
        for field in dataclasses.fields(getattr(shop, part)):
            first, second = (getattr(getattr(one, part), field.name) for one in (shop, again))
            assert np.array_equal(first, second), f"{part}.{field.name}"
    other = made(seed=8)
    assert not np.array_equal(other.events.item, shop.events.item)


def test_the_full_shop_has_the_promised_size() -> None:
    full = made(size=Size())
    assert len(full.events) == 500_000
    assert 1_900 <= full.catalogue.items <= 2_100
    assert 700 <= full.catalogue.groups <= 900
    assert len(np.unique(full.events.person)) == 20_000
    span = (full.events.second.max() - full.events.second.min()) / 86_400
    assert 320 < span <= 365
    assert full.events.second.max() < NOW.timestamp()


def test_activity_is_heavy_tailed(shop: Shop) -> None:
    counts = np.sort(np.bincount(shop.events.person))[::-1]
    busiest = counts[: len(counts) // 10].sum() / counts.sum()
    assert busiest > 0.35


def test_orders_belong_to_one_person_and_hold_things_that_go_together(shop: Shop) -> None:
    events = shop.events
    bought = events.kind == PURCHASE
    assert (events.order[bought] >= 0).all()
    assert (events.order[~bought] == -1).all()
    pairs = np.unique(np.stack([events.order[bought], events.person[bought]]), axis=1)
    assert len(np.unique(pairs[0])) == pairs.shape[1]
    together = goes = 0
    by_order = np.argsort(events.order[bought], kind="stable")
    order, group = events.order[bought][by_order], events.group[bought][by_order]
    for lines in np.split(group, np.flatnonzero(np.diff(order)) + 1):
        if len(lines) > 1:
            together += 1
            goes += any(b in shop.catalogue.goes_with[a] for a in lines for b in lines if a != b)
    assert together > 50
    assert goes / together > 0.4


def test_basics_are_bought_again_and_dresses_are_not(shop: Shop) -> None:
    events = shop.events
    bought = events.kind == PURCHASE
    basic = shop.catalogue.basic[events.group]

    def repeats(chosen: np.ndarray) -> float:
        pairs = events.person[chosen] * shop.catalogue.groups + events.group[chosen]
        return 1 - len(np.unique(pairs)) / len(pairs)

    assert repeats(bought & basic) > 2 * repeats(bought & ~basic)


def test_summer_things_sell_in_summer(shop: Shop) -> None:
    events = shop.events
    sandals = next(n for n, c in enumerate(CATEGORIES) if c.code == "WA")
    boots = next(n for n, c in enumerate(CATEGORIES) if c.code == "WB")
    month = (events.second // 86_400 + 4) % 365.25 // 30.44
    looked = events.kind == VIEW
    of = shop.catalogue.category[events.group]
    summer, winter = (month >= 5) & (month <= 7), (month >= 11) | (month <= 1)

    def share(code: int, season: np.ndarray) -> float:
        return float((looked & season & (of == code)).sum() / (looked & season).sum())

    assert share(sandals, summer) > 3 * share(sandals, winter)
    assert share(boots, winter) > 3 * share(boots, summer)


def test_carts_and_purchases_follow_views(shop: Shop) -> None:
    kinds = np.bincount(shop.events.kind, minlength=8) / len(shop.events)
    assert 0.6 < kinds[VIEW] < 0.8
    assert kinds[CART] > 0.08
    assert 0.08 < kinds[PURCHASE] < 0.2


def test_every_item_is_valid_and_says_what_a_shop_must(shop: Shop) -> None:
    found = documents(shop.catalogue, NOW, "http://127.0.0.1:8000")
    assert [one["id"] for one in found] == shop.catalogue.item_ids()
    assert len({one["id"] for one in found}) == shop.catalogue.items
    for one in found:
        item = read_item(one, max_bytes=65_536)
        assert item.group_id == one["item_group_id"]
        assert item.category.count(" > ") == 1
        assert item.price is not None
        assert item.price > 0
        assert urlsplit(one["image_link"]).path == f"/demo/pictures/{item.item_id}.png"
        assert urlsplit(one["link"]).path == f"/demo/items/{item.item_id}"
        assert text_at(one, "title", "de") != one["title"]
        assert price_at(one, NOW, "de")[1] == "EUR"
    on_sale = [one for one in found if "sale_price" in one]
    assert 0.05 < len(on_sale) / len(found) < 0.35
    for one in on_sale:
        assert price_at(one, NOW)[0] < read_item(one, max_bytes=65_536).price  # type: ignore[operator]
        assert price_at(one, NOW + timedelta(days=60))[0] == read_item(one, max_bytes=65_536).price


def test_a_personal_model_clearly_beats_popularity_on_held_out_purchases(shop: Shop, tmp_path: Path) -> None:
    events, groups = shop.events, np.arange(shop.catalogue.groups)
    age = ((NOW.timestamp() - events.second) / 86_400).astype(np.float32)
    columns = (events.person.astype(np.int32), events.group.astype(np.int32), events.kind.astype(np.int8), age, events.order)
    data = Interactions(groups, SMALL.people, *columns, events.quantity.astype(np.float32))

    def metrics(name: str) -> dict[str, dict[str, float]]:
        job = trainer.Job("default", name, recommender(RECOMMENDERS, name), Window.days(NOW, 730))
        return trainer.run(job, data, tmp_path).metrics

    personal, popular = metrics("personal"), metrics("popular")
    # measured on this shop: 2.7 times with repeats, 2.0 times on what is new to the person (full shop: 5.5 and 4.4)
    assert personal["all"]["ndcg@10"] > 2.0 * popular["all"]["ndcg@10"]
    assert personal["new"]["ndcg@10"] > 1.4 * popular["new"]["ndcg@10"]
