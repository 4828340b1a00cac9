"""`morsel import events`: every row is accounted for, and lands at most once."""

import asyncio
import gzip
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from app.core.db import Database
from app.core.settings import Settings
from app.data.events.formats.mapping import BadMapping, Mapping, load
from app.data.events.formats.rows import NOT_UTF8
from app.data.events.sources.files import Window, import_events
from app.data.events.sources.ordinals import Ordinals
from app.data.identity.vault import DataKeys
from app.data.imports.files import FileFault
from app.data.imports.report import Progress, Report
from app.data.privacy import consent

HEADER = "user,item,at,order,n,price,country\n"
MAPPING = Mapping.model_validate(
    {
        "columns": {
            "user_id": ["user", "customer"],
            "item_id": "item",
            "occurred_at": ["at", "when"],
            "order_id": "order",
            "quantity": "n",
            "price": "price",
            "country": "country",
        },
        "constants": {"kind": "purchase"},
        "normalise": {"user_id": "integer"},
        "timezone": "Europe/London",
        "refuse": [
            {"reason": "cancelled", "field": "order_id", "matches": "^C"},
            {"reason": "no customer", "column": ["user", "customer"], "empty": True},
            {"reason": "nothing bought", "field": "quantity", "at_most": 0},
        ],
    }
)


class Shop:
    """Writes files and imports them."""

    def __init__(self, db: Database, settings: Settings, folder: Path) -> None:
        self.db, self.settings, self.folder = db, settings, folder

    def file(self, text: str | bytes, name: str = "a.csv") -> Path:
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    async def take(self, *texts: str | bytes, mapping: Mapping = MAPPING, source: str = "shop", **more: object) -> Report:
        paths = [self.file(text, f"{number}.csv") for number, text in enumerate(texts)]
        return await self.files(*paths, mapping=mapping, source=source, **more)

    async def files(self, *paths: Path, mapping: Mapping = MAPPING, source: str = "shop", **more: object) -> Report:
        report = await import_events(self.db, self.settings, 1, source, paths, mapping, **more)  # type: ignore[arg-type]
        assert report.read == report.landed + report.refused + report.duplicate
        return report

    async def count(self) -> int:
        return int((await self.db.rows("select count(*) from event"))[0][0])


@pytest.fixture
def shop(db: Database, settings: Settings, tmp_path: Path, catalogue: dict[str, int]) -> Shop:
    return Shop(db, settings, tmp_path)


def row(user: object = "1", item: str = "a", at: str = "2024-07-01 12:00:00", order: str = "o1", n: object = 1) -> str:
    return f"{user},{item},{at},{order},{n},2.50,UK\n"


async def test_rows_land_with_their_columns(shop: Shop, catalogue: dict[str, int]) -> None:
    report = await shop.take(HEADER + row("17850.0", n=3))
    assert (report.read, report.landed) == (1, 1)
    found = (await shop.db.rows("select kind, group_no, quantity, value, occurred_at, order_key is not null, payload from event"))[0]
    assert tuple(found) == (7, catalogue["a"], 3.0, 2.5, datetime(2024, 7, 1, 11, tzinfo=UTC), True, None)
    assert (await shop.db.rows("select value from person_identity"))[0][0] == "17850"
    assert (await shop.db.rows("select country from person"))[0][0] == "GB"


async def test_a_second_import_lands_nothing(shop: Shop) -> None:
    text = HEADER + "".join(row(i) for i in range(1, 51)) + row(1) + row(1)
    first = await shop.take(text)
    assert (first.landed, first.repeated) == (52, 2)
    second = await shop.take(text)
    assert (second.landed, second.duplicate, second.repeated) == (0, 52, 0)
    assert await shop.count() == 52


async def test_the_same_rows_from_another_source_land(shop: Shop) -> None:
    await shop.take(HEADER + row())
    assert (await shop.take(HEADER + row(), source="other")).landed == 1


async def test_an_overlap_between_files_with_other_column_names_lands_once(shop: Shop) -> None:
    other = "customer,item,when,order,n,price,country\n"
    report = await shop.take(HEADER + row(1) + row(1) + row(2), other + row("1.0") + row("2.0") + row("3.0"))
    assert (report.landed, report.duplicate, report.repeated) == (4, 2, 1)


async def test_more_equal_rows_than_before_land_as_the_rest(shop: Shop) -> None:
    await shop.take(HEADER + row())
    report = await shop.take(HEADER + row() * 3)
    assert (report.landed, report.duplicate) == (2, 1)


async def test_each_refusal_has_its_reason_and_line(shop: Shop) -> None:
    lines = [
        row(order="C1"),
        row(user=""),
        row(n=0),
        row(n="many"),
        row(n="nan"),
        row(n="1e99"),
        row(at="31/12/2024"),
        row(at=""),
        row(at="9999-12-31"),
        row(at="2923-01-01"),
        row(user="x" * 300),
        row(item="y" * 300),
        "1,a\n",
        row().rstrip("\n") + ",more\n",
        row(user="a\0b"),
        row(),
    ]
    report = await shop.take(HEADER + "".join(lines))
    assert report.landed == 1
    told = {refused.line: refused.reason for refused in report.examples}
    expected = {
        2: "cancelled",
        3: "no customer",
        4: "nothing bought",
        5: "quantity is not a number",
        6: "quantity is out of range",
        7: "quantity is out of range",
        8: "occurred_at is not a date",
        9: "occurred_at is not a date",
        10: "occurred_at is not a date",
        11: "in the future",
        12: "user_id is longer than 256 characters",
        13: "item_id, order_id or name is longer than 200 characters",
        14: "has 2 fields where the header has 7",
        15: "has 8 fields where the header has 7",
        16: "contains a NUL character",
    }
    assert told == expected


async def test_bytes_that_are_no_utf8_refuse_their_row_only(shop: Shop) -> None:
    report = await shop.take(HEADER.encode() + row("caf\u00e9").encode("latin-1") + row("caf\u00e9").encode())
    assert (report.landed, report.reasons) == (1, {NOT_UTF8: 1})
    assert report.examples[0].line == 2


async def test_another_encoding_and_a_byte_order_mark_are_read(shop: Shop) -> None:
    latin = MAPPING.model_copy(update={"encoding": "latin-1"})
    await shop.take((HEADER + row("caf\u00e9")).encode("latin-1"), mapping=latin)
    report = await shop.take((HEADER + row("caf\u00e9")).encode("utf-8-sig"))
    assert report.duplicate == 1


@pytest.mark.parametrize("text", ["", HEADER, "\n\n", HEADER + "\n\n"])
async def test_a_file_without_rows_lands_nothing_and_is_no_fault(shop: Shop, text: str) -> None:
    if text.strip():
        assert (await shop.take(text)).read == 0
    else:
        assert (await shop.take(text)).landed == 0


async def test_a_huge_field_and_an_open_quote_refuse_a_bounded_stretch(shop: Shop) -> None:
    text = HEADER + row(user="x" * 200_000) + row() + '"' + "y" * 5
    report = await shop.take(text)
    assert report.landed == 1
    assert report.refused == 2


async def test_a_row_may_span_lines_and_later_lines_keep_their_numbers(shop: Shop) -> None:
    report = await shop.take(HEADER + row(user='"a\nb"') + row(n="bad"))
    assert report.landed == 1
    assert report.examples[0].line == 4


@pytest.mark.parametrize("bad", ["user,item\n1,a\n", "user,user,item,at,order,n,price,country\n"])
async def test_a_file_that_lacks_or_doubles_a_column_is_refused_as_a_whole(shop: Shop, bad: str) -> None:
    with pytest.raises(FileFault, match="column"):
        await shop.take(bad)
    assert (await shop.db.rows("select report->>'fault' from import_run"))[0][0]


async def test_a_cut_off_gzip_file_lands_what_was_whole_and_says_so(shop: Shop) -> None:
    rng = np.random.default_rng(1)
    text = HEADER + "".join(row(int(user)) for user in rng.integers(0, 10**9, 20_000))
    packed = gzip.compress(text.encode())
    with pytest.raises(FileFault, match="cut off"):
        await shop.files(shop.file(packed[: len(packed) // 2], "b.csv.gz"), chunk_rows=1000)
    landed = await shop.count()
    assert 0 < landed < 20_000
    report = await shop.files(shop.file(packed, "b.csv.gz"), chunk_rows=1000)
    assert report.landed + landed == 20_000


async def test_a_window_takes_its_part_and_the_rest_may_land_later(shop: Shop) -> None:
    text = HEADER + row(at="2024-01-01") + row(at="2024-07-01 00:30:00") + row(at="2024-12-01")
    cut = datetime(2024, 7, 1, tzinfo=UTC)
    early = await shop.take(text, window=Window(before=cut))
    assert (early.landed, early.refused) == (2, 1)
    late = await shop.take(text, window=Window(not_before=cut))
    assert (late.landed, late.refused) == (1, 2)
    assert (await shop.take(text)).duplicate == 3


async def test_an_import_killed_midway_is_finished_by_the_next(shop: Shop) -> None:
    text = HEADER + "".join(row(i) for i in range(1, 501)) + row(3) * 4

    class Killed(Exception):
        pass

    def kill(step: Progress) -> None:
        if step.rows >= 200:
            raise Killed

    with pytest.raises(Killed):
        await shop.take(text, progress=kill, chunk_rows=100)
    assert await shop.count() == 200
    report = await shop.take(text, chunk_rows=70)
    assert (report.landed, report.duplicate) == (304, 200)


async def test_two_imports_of_one_source_do_not_run_at_once(shop: Shop) -> None:
    text = HEADER + "".join(row(i) for i in range(1, 3001))
    found = await asyncio.gather(shop.take(text, chunk_rows=100), shop.take(text, chunk_rows=100), return_exceptions=True)
    assert sum(isinstance(one, FileFault) for one in found) == 1
    assert await shop.count() == 3000


async def test_json_lines_and_parquet_hold_the_same_rows_as_csv(shop: Shop) -> None:
    import pyarrow
    import pyarrow.parquet

    await shop.take(HEADER + row(1) + row(2))
    lines = [
        {"user": user, "item": "a", "at": "2024-07-01T12:00:00", "order": "o1", "n": 1, "price": 2.5, "country": "UK"} for user in (1, 2)
    ]
    import orjson

    text = b"\n".join(orjson.dumps(line) for line in lines) + b"\nnot json\n[]\n\n"
    report = await shop.files(shop.file(text, "c.jsonl"))
    assert (report.duplicate, report.refused) == (2, 2)
    table = pyarrow.table({name: [line[name] for line in lines] for name in lines[0]} | {"other": [1, 2]})
    pyarrow.parquet.write_table(table, shop.folder / "d.parquet")
    assert (await shop.files(shop.folder / "d.parquet")).duplicate == 2
    with pytest.raises(FileFault, match="Parquet"):
        await shop.files(shop.file("no parquet", "e.parquet"))


async def test_kinds_may_stand_in_a_column(shop: Shop) -> None:
    mapping = Mapping.model_validate(
        {"columns": {"user_id": "u", "occurred_at": "t", "kind": "k", "item_id": "i"}, "kinds": {"addtocart": "cart"}}
    )
    report = await shop.take(
        "u,t,k,i\n1,1704067200,view,a\n1,1704067200,addtocart,a\n1,1704067200,Order Completed,a\n1,1704067200,jump,a\n", mapping=mapping
    )
    assert report.reasons == {"unknown kind": 1}
    assert [kind for (kind,) in await shop.db.rows("select kind from event order by event_no")] == [3, 5, 7]


async def test_kept_columns_are_encrypted_with_the_event(shop: Shop) -> None:
    keeping = MAPPING.model_copy(update={"keep": ["country"]})
    await shop.take(HEADER + row(), mapping=keeping)
    payload = (await shop.db.rows("select payload from event"))[0][0]
    assert payload
    assert b"UK" not in payload


async def test_rows_of_people_who_withdrew_consent_are_refused(shop: Shop) -> None:
    await consent.set_consent(shop.db, shop.settings, 1, "1", False)
    report = await shop.take(HEADER + row(1) + row(2))
    assert (report.landed, report.reasons) == (1, {"the person withdrew consent": 1})


async def test_unknown_items_are_told_and_their_ids_kept_encrypted(shop: Shop) -> None:
    report = await shop.take(HEADER + row(item="zz") + row(item="zz", order="o2"))
    assert report.landed == 2
    assert report.unknown_items == {"zz": 2}
    rows = await shop.db.rows("select e.payload, e.person_no, p.data_key from event e join person p using (person_no)")
    cipher = DataKeys(shop.settings).cipher(rows[0][1], rows[0][2])
    assert [cipher.unseal(row[0]) for row in rows] == [b'{"item_id":"zz"}'] * 2


async def test_progress_ends_at_all_bytes(shop: Shop) -> None:
    told: list[Progress] = []
    await shop.take(HEADER + row() * 10, HEADER + row() * 10, progress=told.append, chunk_rows=3)
    assert told[-1].bytes_done == told[-1].bytes_all
    assert [step.bytes_done for step in told] == sorted(step.bytes_done for step in told)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[columns]\nuser_id = 'u'\n", "occurred_at"),
        ("[columns]\nuser_id = 'u'\noccurred_at = 't'\n", "kind"),
        ("timezone = 'Mars'\n[columns]\nuser_id='u'\noccurred_at='t'\nkind='k'\n", "time zone"),
        ("[columns]\nuser_id='u'\noccurred_at='t'\nkind='k'\n[kinds]\nx='jump'\n", "unknown kind"),
        ("[columns]\nuser='u'\n", "columns"),
        ("[columns]\nuser_id='u'\noccurred_at='t'\nkind='k'\n[[refuse]]\nreason='r'\nfield='kind'\n", "condition"),
        ("[columns]\nuser_id='u'\noccurred_at='t'\nkind='k'\n[[refuse]]\nreason='r'\nfield='kind'\nmatches='('\n", "matches"),
        ("no toml", "TOML"),
    ],
)
def test_a_mapping_that_cannot_work_says_what_to_change(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "m.toml"
    path.write_text(text)
    with pytest.raises(BadMapping, match=reason):
        load(path)


def test_the_mapping_of_online_retail_is_valid() -> None:
    assert load(Path(__file__).parents[3] / "benchmarks" / "online_retail.toml").timezone == "Europe/London"


def test_ordinals_count_like_a_dictionary() -> None:
    rng = np.random.default_rng(7)
    table, counts = Ordinals(), {}
    for _ in range(40):
        values = rng.integers(0, 60_000, 9_000).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        expected = []
        for value in np.maximum(values, 1).tolist():
            expected.append(counts.get(value, 0))
            counts[value] = expected[-1] + 1
        assert table.of(values).tolist() == expected


CASES = Path(__file__).resolve().parents[4] / "shared" / "cases"
PLAIN = {"columns": {"user_id": "user", "item_id": "sku", "occurred_at": "at"}, "constants": {"kind": "purchase"}}


def mapped(**more: object) -> Mapping:
    """Return the plain mapping with more columns (`columns`) and settings."""
    columns = {**PLAIN["columns"], **more.pop("columns", {})}  # type: ignore[dict-item]
    return Mapping.model_validate({**PLAIN, **more, "columns": columns})


async def test_a_decimal_comma_is_read_as_the_mapping_says(shop: Shop) -> None:
    text = "user;sku;at;n;price\n1;a;2025-12-01;6;2,55\n1;b;2025-12-01;1;1.299,00\n1;c;2025-12-01;1;1,299\n1;a;2025-12-02;0,5;3\n"
    mapping = mapped(
        delimiter=";", decimal=",", columns={"quantity": "n", "price": "price"}, refuse=[{"reason": "few", "field": "quantity", "below": 1}]
    )
    report = await shop.take(text, mapping=mapping)
    assert (report.landed, report.reasons) == (3, {"few": 1})
    rows = await shop.db.rows("select value, quantity from event order by event_no")
    assert [tuple(row) for row in rows] == [(pytest.approx(2.55), 6.0), (1299.0, 1.0), (pytest.approx(1.299), 1.0)]


async def test_without_a_decimal_sign_what_may_be_two_numbers_is_refused_with_the_setting(shop: Shop) -> None:
    text = 'user,sku,at,price\n1,a,2025-12-01,"2,55"\n1,b,2025-12-01,"1,299"\n'
    report = await shop.take(text, mapping=mapped(columns={"price": "price"}))
    assert report.landed == 1
    assert ['decimal = ","' in reason for reason in report.reasons] == [True]


async def test_a_total_of_a_line_is_parted_by_its_pieces(shop: Shop) -> None:
    text = "user,sku,at,n,total\n1,a,2025-12-01,4,10\n1,b,2025-12-01,,3\n"
    report = await shop.take(text, mapping=mapped(columns={"quantity": "n", "line_total": "total"}))
    assert report.landed == 2
    assert [row[0] for row in await shop.db.rows("select value from event order by event_no")] == [2.5, 3.0]
    with pytest.raises(ValueError, match="price and line_total"):
        mapped(columns={"price": "price", "line_total": "total"})


async def test_json_lines_that_lack_a_column_are_refused_before_anything_lands(shop: Shop) -> None:
    path = shop.file('{"user":"1","SKU":"a","at":"2025-12-01"}\n{"user":"2","SKU":"b","at":"2025-12-01"}\n', "a.jsonl")
    with pytest.raises(FileFault, match="no column sku for item_id; it has user, SKU, at"):
        await shop.files(path, mapping=mapped())
    assert await shop.count() == 0
    lines = '{"user":"1","at":"2025-12-01"}\n{"user":"2","sku":null,"at":"2025-12-01"}\n{"user":"2","sku":"b","at":"2025-12-01"}\n'
    some = shop.file(lines, "b.jsonl")
    report = await shop.files(some, mapping=mapped())
    assert (report.landed, report.warnings) == (3, {"no item_id: it counts for no item": 2})


async def test_each_entry_of_a_list_in_a_json_line_is_a_row(shop: Shop) -> None:
    order = '{"id":7,"customer":{"id":42},"at":"2025-12-01","lines":[{"sku":"a","n":1},{"sku":"b","n":2}],"tags":["x","y"]}\n'
    columns = {"user_id": "customer.id", "item_id": "lines.sku", "quantity": "lines.n", "order_id": "id"}
    path = shop.file(order, "a.jsonl")
    report = await shop.files(path, mapping=mapped(columns=columns, keep=["tags"]))
    assert (report.read, report.landed) == (2, 2)
    lines = "select i.item_id, quantity, count(*) over (partition by order_key) from event join item i using (item_no) order by 1"
    rows = await shop.db.rows(lines)
    assert [tuple(row) for row in rows] == [("a", 1.0, 2), ("b", 2.0, 2)]
    assert (await shop.files(path, mapping=mapped(columns=columns))).duplicate == 2


async def test_lists_of_ids_and_two_lists_in_a_json_line(shop: Shop) -> None:
    path = shop.file('{"user":"1","at":"2025-12-01","sku":["a","b"]}\n{"user":"2","at":"2025-12-01","sku":[]}\n', "a.jsonl")
    report = await shop.files(path, mapping=mapped())
    assert (report.landed, dict(report.warnings)) == (3, {"no item_id: it counts for no item": 1})
    two = shop.file('{"user":"1","at":"2025-12-01","x":[{"sku":"a"}],"y":[{"n":1}]}\n', "b.jsonl")
    report = await shop.files(two, mapping=mapped(columns={"item_id": "x.sku", "quantity": "y.n"}))
    assert dict(report.reasons) == {"has lists under x and y: a mapping may reach into one": 1}


def test_a_wrong_constant_kind_is_told_with_the_kinds() -> None:
    with pytest.raises(ValueError, match=r"unknown kind bought; there are .*purchase"):
        mapped(constants={"kind": "bought"})
    assert mapped(constants={"kind": "Order Completed"}).constants["kind"] == "Order Completed"


async def test_rows_of_nobody_are_refused_and_an_id_beside_is_told(shop: Shop) -> None:
    text = "user,device,sku,at\nundefined,,a,2025-12-01\nnull,dev,a,2025-12-01\n ann ,,a,2025-12-01\n"
    report = await shop.take(text, mapping=mapped(columns={"anonymous_id": "device"}))
    assert (report.landed, dict(report.reasons)) == (2, {"user_id names nobody": 1})
    assert dict(report.warnings) == {"user_id names nobody and was left out": 1}
    assert {row[0] for row in await shop.db.rows("select value from person_identity")} == {"dev", "ann"}


async def test_returns_cancellations_and_low_ratings_of_files(shop: Shop) -> None:
    text = "user,sku,at,n,kind\n1,a,2025-12-01,-2,purchase\n1,a,2025-12-01,3,return\n1,,2025-12-01,,order_cancel\n1,a,2025-12-01,4,rating\n"
    mapping = Mapping.model_validate(
        {"columns": {**PLAIN["columns"], "quantity": "n", "kind": "kind"}, "rating_scale": 10}  # type: ignore[dict-item]
    )
    assert (await shop.take(text, mapping=mapping)).landed == 4
    assert [tuple(row) for row in await shop.db.rows("select kind, quantity from event order by event_no")] == [
        (-5, 2.0), (-5, 3.0), (-4, None), (-6, 4.0),
    ]  # fmt: skip


@pytest.mark.skipif(not CASES.is_dir(), reason="the field cases do not lie beside the project")
@pytest.mark.parametrize(
    ("name", "landed", "total"),
    [("i1-comma-decimals.csv", 3, 2.55 * 6 + 2.75 * 8 + 3 * 12), ("i3-order-lines.jsonl", 2, None), ("i4-bigquery.jsonl", 3, None)],
)
async def test_files_from_the_field_land_whole(shop: Shop, name: str, landed: int, total: float | None) -> None:
    mapping = load((CASES / name).with_suffix(".toml"))
    report = await shop.files(CASES / name, mapping=mapping)
    assert (report.landed, report.refused) == (landed, 0)
    if total is not None:
        assert (await shop.db.rows("select sum(value * quantity) from event"))[0][0] == pytest.approx(total)
