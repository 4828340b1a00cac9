"""The independent baselines read the published columns as the protocol says, and measure as the product does."""

import gzip
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from app.ml.evaluation import metrics
from benchmarks import online_retail_baselines as baselines

FIRST = "Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country\n"
SECOND = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two small files with every kind of row that the protocol refuses."""
    first = [
        '1001,10001,"MUG, RED",2,2010-06-01 10:00:00,1.5,7,UK',
        "C1002,10001,MUG,-2,2010-06-02 10:00:00,1.5,7,UK",
        "1003,POST,POSTAGE,1,2010-06-02 10:00:00,1.5,7,UK",
        "1004,10002,CUP,1,2010-06-02 10:00:00,0.0,7,UK",
        "1005,10002,CUP,1,2010-06-02 10:00:00,1.0,,UK",
        "1006,10003A,JUG,1,2010-12-05 10:00:00,1.0,8,UK",
    ]
    second = [
        "1006,10003A,JUG,1,2010-12-05 10:00:00,1.0,8.0,UK",
        "1007,10002,CUP,1,2011-06-01 10:00:00,1.0,8.0,UK",
        "1008,10001,MUG,1,2011-07-02 10:00:00,1.0,7.0,UK",
        "1009,10002,CUP,1,2011-07-02 10:00:00,1.0,7.0,UK",
        "1010,99999,NEW,1,2011-07-02 10:00:00,1.0,7.0,UK",
        "1011,10001,MUG,1,2011-07-02 10:00:00,1.0,9.0,UK",
    ]
    for name, head, rows in ((baselines.FIRST_FILE, FIRST, first), (baselines.SECOND_FILE, SECOND, second)):
        with gzip.open(tmp_path / name, "wt", encoding="utf-8") as file:
            file.write(head + "\n".join(rows) + "\n")
    return tmp_path


def test_protocol_keeps_known_customers_and_items(folder: Path) -> None:
    lines = list(baselines.read(folder))
    assert [line.order for line in lines] == ["1001", "1006", "1007", "1008", "1009", "1010", "1011"]
    known = baselines.task(lines)
    assert known.targets == {"7": {"10001", "10002"}}
    assert known.new_targets == {"7": {"10002"}}
    assert known.known["8"] == {"10003A": [datetime(2010, 12, 5, 10)], "10002": [datetime(2011, 6, 1, 10)]}


@pytest.mark.parametrize("baseline", baselines.BASELINES.values())
def test_no_baseline_shows_known_items_when_only_new_ones_count(folder: Path, baseline: baselines.Baseline) -> None:
    known = baselines.task(list(baselines.read(folder)))
    shown = baseline(known, ["7", "8"], True, 10)
    for customer in ("7", "8"):
        assert not known.known[customer].keys() & set(shown[customer])
    assert any(baseline(known, ["8"], False, 10)["8"])


def test_figures_agree_with_those_of_the_product() -> None:
    rng = np.random.default_rng(5)
    lists = {str(person): [str(item) for item in rng.permutation(40)[:10]] for person in range(50)}
    targets = {person: {str(item) for item in rng.permutation(40)[: rng.integers(1, 25)]} for person in lists}
    hits = np.array([[item in targets[person] for item in shown] for person, shown in lists.items()])
    ours = metrics.summary(hits, np.array([len(targets[person]) for person in lists]))
    found = baselines.figures(lists, targets, 40)
    for name in ("recall@10", "ndcg@10", "map@10"):
        assert found[name] == pytest.approx(ours[name], abs=1e-6)
