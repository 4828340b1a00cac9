"""The Online Retail benchmark measures and accounts as it says: known answers, and an extract with every kind of row."""

import csv
import gzip
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app import cli
from app.core import settings as core_settings
from app.data.events.formats.mapping import Mapping, load
from benchmarks import online_retail
from benchmarks import online_retail_baselines as baselines
from benchmarks.driving import Answers, CommandFailed, Done, Shop

FIRST = ("Invoice", "StockCode", "Description", "Quantity", "InvoiceDate", "Price", "Customer ID", "Country")
SECOND = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")
Row = tuple[str, ...]


def _sale(number: int, day: str) -> Row:
    """Return a line of a shop of 40 items and 30 customers; lines of the same number and day are equal."""
    item = f"{10000 + number % 40}"
    return (f"{500000 + number}", item, f"ITEM {item}", "2", f"{day} 10:00:00", "1.25", str(100 + number % 30), "Spain")


def _other(*changed: tuple[int, str]) -> Row:
    row = list(_sale(1, "2011-01-05"))
    for place, value in changed:
        row[place] = value
    return tuple(row)


UGLY = [
    _other((0, "C500001"), (3, "-2")),
    _other((0, "A500001"), (1, "B"), (6, "")),
    _other((6, "")),
    _other((3, "-9")),
    _other((5, "0.0")),
    _other((1, "POST")),
    _other((1, "gift_0001_20")),
]
REASONS = {
    "cancellation": 1, "bad debt adjustment": 1, "no customer": 1, "quantity not above 0": 1, "price not above 0": 1, "not a product": 2,
}  # fmt: skip
BEFORE, OVERLAP, AFTER, TWICE = 1050, 150, 634, 9


@pytest.fixture
def extract(tmp_path: Path) -> Path:
    """Two files of 2,000 rows together: sales before the cut, 150 of them in both and once more in the second, later ones, ugly ones."""
    common = [_sale(number, "2010-12-03") for number in range(OVERLAP)]
    first = [_sale(number, "2010-06-01") for number in range(BEFORE - OVERLAP)] + common
    repeated = [_sale(7, "2011-03-01")] * TWICE
    later = [_sale(number, "2011-07-20") for number in range(AFTER)]
    second = [*common, *repeated, *UGLY, *later, *common]
    _write(tmp_path / baselines.FIRST_FILE, FIRST, first)
    # the second file writes the customer as a float
    _write(tmp_path / baselines.SECOND_FILE, SECOND, [(*row[:6], f"{row[6]}.0" if row[6] else "", row[7]) for row in second])
    return tmp_path


def _write(path: Path, head: Row, rows: list[Row]) -> None:
    with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([head, *rows])


class InProcess(Shop):
    """Runs the same commands without a process for each."""

    def run(self, *arguments: str | Path) -> Done:
        done = CliRunner(env=self.environment).invoke(cli.app, [str(one) for one in arguments])
        assert done.exit_code == 0, done.stderr
        return Done(json.loads(done.stdout), 0.0, 0.0)


@pytest.fixture
def shop(extract: Path, database_url: str, redis_url: str) -> Iterator[Shop]:
    """The command line over this test's own servers."""
    core_settings.load.cache_clear()
    yield InProcess(extract, {"DATABASE_URL": database_url, "REDIS_URL": redis_url})
    core_settings.load.cache_clear()


def test_every_row_of_an_extract_has_one_outcome(extract: Path, shop: Shop) -> None:
    path = extract / "catalogue.csv"
    assert online_retail.write_catalogue(extract, path, online_retail.CUT) == 40
    assert shop.run("import", "items", path).result["landed"] == 40
    first = online_retail.import_events(shop, extract, "--before", online_retail.CUT).result
    second = online_retail.import_events(shop, extract, "--not-before", online_retail.CUT).result
    third = online_retail.import_events(shop, extract).result
    table, wrong = online_retail.account(first, second, third)
    assert wrong == []
    assert table == {
        "read": 2000,
        # the overlap lands from the first file; its second occurrence in the second file is a line of its own
        "landed before the cut": BEFORE + TWICE + OVERLAP,
        "landed after the cut": AFTER,
        "duplicate before the cut": OVERLAP,
        "duplicate after the cut": 0,
        **{f"refused: {reason}": count for reason, count in REASONS.items()},
    }
    assert first["repeated"] == TWICE - 1 + OVERLAP
    assert first["unknown_items"]["events"] == second["unknown_items"]["events"] == 0


def _report(landed: int, duplicate: int, **reasons: int) -> dict[str, Any]:
    told = {name.replace("_", " "): count for name, count in reasons.items()}
    refused = sum(told.values())
    return {"read": landed + duplicate + refused, "landed": landed, "duplicate": duplicate, "refused": refused, "reasons": told}


def test_accounting_tells_which_sum_is_wrong() -> None:
    outside = "not before 2011-07-01T00:00:00+00:00"
    first = _report(5, 1, **{"no customer": 2, outside: 3})
    rest = _report(3, 0, **{"no customer": 2, "before 2011-07-01T00:00:00+00:00": 6})
    again = _report(0, 9, **{"no customer": 2})
    assert online_retail.account(first, rest, again)[1] == []
    lost = {**rest, "landed": 2, "read": 10}
    assert "every row has one outcome" in online_retail.account(first, lost, again)[1]
    assert "all runs read the same rows" in online_retail.account(first, lost, again)[1]
    twice = _report(1, 8, **{"no customer": 2})
    assert online_retail.account(first, rest, twice)[1] == ["the last run lands nothing"]


def test_measures_have_known_answers() -> None:
    shown = ["a", "x", "b", "y"]
    assert baselines.ndcg(shown, {"a", "b", "c"}, 4) == pytest.approx((1 + 1 / 2) / (1 + 0.63093 + 0.5), abs=1e-5)
    assert baselines.ndcg(["a", "b"], {"a", "b", "c"}, 2) == 1
    assert baselines.recall(shown, {"a", "b", "c"}, 2) == pytest.approx(1 / 3)
    assert baselines.average_precision(shown, {"a", "b", "c"}, 4) == pytest.approx((1 + 2 / 3) / 3)
    assert baselines.ndcg([], {"a"}) == baselines.recall([], {"a"}) == baselines.average_precision([], {"a"}) == 0
    found = baselines.figures({"1": ["a", "b"], "2": ["a", "x"]}, {"1": {"a"}, "2": {"c"}, "3": {"a"}}, 6, 2)
    assert found["recall@2"] == pytest.approx(1 / 3)
    assert found["coverage@2"] == 0.5


def test_catalogue_keeps_the_last_text_and_the_usual_price(tmp_path: Path) -> None:
    first = [
        ("1", "10001", "OLD MUG", "1", "2010-01-01 10:00:00", "1.5", "7", "UK"),
        ("2", "10001", "MUG, NEW", "1", "2010-01-02 10:00:00", "1.5", "", "UK"),
        ("3", "10001", "damaged", "-4", "2010-01-03 10:00:00", "0.0", "", "UK"),
        ("C4", "10001", "WRONG", "-1", "2010-01-03 10:00:00", "9.0", "7", "UK"),
        ("5", "POST", "POSTAGE", "1", "2010-01-03 10:00:00", "9.0", "7", "UK"),
    ]
    second = [
        ("6", "10001", "", "1", "2011-01-04 10:00:00", "2.0", "7.0", "UK"),
        ("7", "10002 ", "CUP", "1", "2011-07-01 10:00:00", "3", "7.0", "UK"),
    ]
    _write(tmp_path / baselines.FIRST_FILE, FIRST, first)
    _write(tmp_path / baselines.SECOND_FILE, SECOND, second)
    path = tmp_path / "catalogue.csv"
    head = ["id", "title", "price", "availability"]
    online_retail.write_catalogue(tmp_path, path, "2011-07-01")
    assert list(csv.reader(path.open())) == [head, ["10001", "MUG, NEW", "1.5 GBP", "in_stock"]]
    online_retail.write_catalogue(tmp_path, path, "2011-07-02")
    assert list(csv.reader(path.open()))[2] == ["10002", "CUP", "3 GBP", "in_stock"]


def test_targets_decide_whether_the_benchmark_passes(capsys: pytest.CaptureFixture[str]) -> None:
    figures = online_retail.Figures()
    figures.tell("told", 5.0, "s")
    figures.tell("met", 0.42, baseline=0.4, target=">= 0.41")
    figures.tell("missed", 501.0, "MiB", target="<= 500")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["ok"] for line in lines] == [None, True, False]
    assert lines[1] == {"name": "met", "value": 0.42, "unit": "", "baseline": 0.4, "ratio": 1.05, "target": ">= 0.41", "ok": True}
    assert figures.missed == ["missed"]


def test_latencies_are_nearest_rank_percentiles() -> None:
    answers = Answers(milliseconds=[float(one) for one in range(100, 0, -1)])
    assert answers.percentile(0.5) == 50
    assert answers.percentile(0.99) == 99


def test_a_command_that_fails_is_told_with_its_message(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="such"):
        Shop(tmp_path, {}).run("no-such-command")


def test_without_the_files_the_benchmark_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["online_retail.py", str(tmp_path)])
    online_retail.main()
    told = capsys.readouterr()
    assert "skipped" in told.err
    assert not told.out


def test_the_documented_mapping_is_the_one_that_is_used() -> None:
    page = Path(online_retail.__file__).parent.parent / "docs" / "own-shop.md"
    blocks = re.findall(r"^```toml\n(.*?)^```", page.read_text(), re.M | re.S)
    described = Mapping.model_validate(tomllib.loads("\n".join(blocks)))
    used = load(online_retail.MAPPING)
    assert described.model_dump(exclude={"refuse"}) == used.model_dump(exclude={"refuse"})
    assert [rule for rule in described.refuse if rule not in used.refuse] == []
