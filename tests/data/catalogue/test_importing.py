"""`morsel import items`: four formats, a report for every row."""

from pathlib import Path

import pytest

from app.core.db import Database
from app.core.settings import Settings
from app.data.catalogue.importing import OTHERS_REFUSED, import_items
from app.data.imports.files import FileFault
from app.data.imports.report import Report

RSS = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel><title>Shop</title>
<item><g:id>a</g:id><title>Hat &amp; cap</title><link>https://shop.example/a</link><g:price>5.00 GBP</g:price>
<g:shipping><g:country>GB</g:country><g:price>1 GBP</g:price></g:shipping>
<g:product_type>Hats</g:product_type><g:product_type>Other</g:product_type></item>
<item><g:id>b</g:id><g:price>free</g:price></item>
<item><g:id>c</g:id><title><![CDATA[<b>Bold</b>]]></title></item>
</channel></rss>"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0"><title>Shop</title>
<entry><g:id>a</g:id><title>Hat</title><link href="https://shop.example/a"/></entry></feed>"""


class Shop:
    """Writes feeds and imports them."""

    def __init__(self, db: Database, settings: Settings, folder: Path) -> None:
        self.db, self.settings, self.folder = db, settings, folder

    async def take(self, text: str | bytes, name: str = "feed.csv", **more: object) -> Report:
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        report = await import_items(self.db, self.settings, 1, [path], **more)  # type: ignore[arg-type]
        assert report.read == report.landed + report.refused
        return report

    async def document(self, item_id: str) -> dict[str, object]:
        found: dict[str, object] = (await self.db.rows("select document from item where item_id = :i", i=item_id))[0][0]
        return found

    async def ids(self) -> list[str]:
        return [row[0] for row in await self.db.rows("select item_id from item where not absent order by 1")]


@pytest.fixture
def shop(db: Database, settings: Settings, tmp_path: Path) -> Shop:
    return Shop(db, settings, tmp_path)


async def test_a_csv_lands_under_its_headers(shop: Shop) -> None:
    text = "ID,Title,Image Link,g:price,locales.de.title,empty\na, Hat ,https://x/y,5 GBP,Hut,\n"
    assert (await shop.take(text)).landed == 1
    assert await shop.document("a") == {
        "id": "a",
        "title": "Hat",
        "image_link": "https://x/y",
        "price": "5 GBP",
        "locales": {"de": {"title": "Hut"}},
    }


async def test_columns_may_be_renamed(shop: Shop) -> None:
    await shop.take("StockCode,Description\na,Hat\n", columns={"StockCode": "id", "Description": "title"})
    assert await shop.document("a") == {"id": "a", "title": "Hat"}


async def test_a_google_tsv_and_json_lines_land(shop: Shop) -> None:
    await shop.take("id\ttitle\tprice\na\tHat, big\t5 GBP\n", "feed.tsv")
    assert await shop.document("a") == {"id": "a", "title": "Hat, big", "price": "5 GBP"}
    report = await shop.take('{"id": "b", "price": 5}\nnot json\n[1]\n\n{"title": "no id"}\n', "feed.jsonl")
    assert {refused.line: refused.reason.partition(":")[0] for refused in report.examples} == {
        2: "not valid JSON",
        3: "not a JSON object",
        5: "id is missing",
    }


async def test_a_google_feed_in_rss_lands(shop: Shop) -> None:
    report = await shop.take(RSS, "feed.xml")
    assert (report.landed, report.refused) == (2, 1)
    assert report.examples[0].line == 6
    assert await shop.document("a") == {
        "id": "a",
        "title": "Hat & cap",
        "link": "https://shop.example/a",
        "price": "5.00 GBP",
        "shipping": {"country": "GB", "price": "1 GBP"},
        "product_type": ["Hats", "Other"],
    }
    assert (await shop.document("c"))["title"] == "<b>Bold</b>"


async def test_an_atom_feed_lands(shop: Shop) -> None:
    await shop.take(ATOM, "feed.xml")
    assert await shop.document("a") == {"id": "a", "title": "Hat", "link": "https://shop.example/a"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
async def test_a_document_type_is_refused_before_any_entity(shop: Shop, encoding: str) -> None:
    bomb = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b SYSTEM "file:///etc/passwd">]><rss><item><id>&b;</id></item></rss>'
    with pytest.raises(FileFault, match="DOCTYPE"):
        await shop.take(bomb.encode(encoding), "feed.xml")
    assert await shop.ids() == []


async def test_broken_xml_lands_what_came_before_and_says_where(shop: Shop) -> None:
    with pytest.raises(FileFault, match="line 8"):
        await shop.take(RSS.replace("</channel>", "<oops"), "feed.xml")
    assert await shop.ids() == ["a", "c"]
    with pytest.raises(FileFault, match="deeper"):
        await shop.take("<rss><item>" + "<a>" * 1000, "feed.xml")
    with pytest.raises(FileFault):
        await shop.take(b"\x00\xff" * 100, "feed.xml")


async def test_ids_twice_in_a_feed_land_once(shop: Shop) -> None:
    report = await shop.take("id,title\na,first\na,second\nb,\nc,x\n")
    assert report.reasons == {"the id was in an earlier row": 1}
    assert (await shop.document("a"))["title"] == "first"


async def test_a_good_row_lands_after_a_refused_one_with_its_id(shop: Shop) -> None:
    report = await shop.take("id,price\na,cheap\na,5\n")
    assert (report.landed, report.refused) == (1, 1)


async def test_a_second_import_changes_nothing(shop: Shop) -> None:
    text = "id,title\n" + "".join(f"{i},t\n" for i in range(2500))
    assert (await shop.take(text)).unchanged == 0
    report = await shop.take(text)
    assert (report.landed, report.unchanged) == (2500, 2500)


async def test_strict_lands_all_or_nothing(shop: Shop) -> None:
    text = "id,price\n" + "".join(f"{i},1\n" for i in range(1500)) + "x,cheap\n"
    report = await shop.take(text, strict=True)
    assert (report.read, report.landed) == (1501, 0)
    assert report.reasons[OTHERS_REFUSED] == 1500
    assert await shop.ids() == []
    report = await shop.take(text.replace("cheap", "2"), strict=True)
    assert report.landed == 1501


async def test_a_full_feed_takes_out_what_it_does_not_name(shop: Shop) -> None:
    await shop.take("id,title\n" + "".join(f"{i},t\n" for i in range(10)))
    kept = "id,price\n" + "".join(f"{i},1\n" for i in range(8)) + "8,cheap\n"
    report = await shop.take(kept, full=True)
    assert (report.absent, report.fault) == (1, "")
    assert await shop.ids() == [str(i) for i in range(9)]
    await shop.take("id,title\n9,t\n")
    assert "9" in await shop.ids()


@pytest.mark.parametrize("text", ["id,title\n0,t\n", "id,title\n", ""])
async def test_a_full_feed_that_would_take_out_too_much_needs_force(shop: Shop, text: str) -> None:
    await shop.take("id,title\n" + "".join(f"{i},t\n" for i in range(10)))
    report = await shop.take(text, full=True)
    assert "by force" in report.fault
    assert len(await shop.ids()) == 10
    await shop.take(text, full=True, force=True)
    assert len(await shop.ids()) == report.landed


async def test_rows_with_wrong_bytes_or_widths_are_told_with_their_line(shop: Shop) -> None:
    text = b"id,title\na,caf\xe9\nb,caf\xc3\xa9\nc\nd,x\x00y\n" + b"e," + b"z" * 200_000 + b"\nf,ok\n"
    report = await shop.take(text)
    assert [refused.line for refused in report.examples] == [2, 4, 5, 6]
    assert await shop.ids() == ["b", "f"]
    assert (await shop.take(b"id,title\na,caf\xe9\n", encoding="latin-1")).landed == 1
    assert (await shop.document("a"))["title"] == "café"


async def test_a_file_in_another_encoding_says_which_option_to_give(shop: Shop) -> None:
    report = await shop.take(b"id,title\na,caf\xe9\n")
    assert list(report.reasons) == [
        "not valid UTF-8, or a value that JSON cannot hold; if the file is in another encoding, say it: --encoding cp1252"
    ]


async def test_an_example_shows_the_value_that_was_refused(shop: Shop) -> None:
    report = await shop.take(f"id,availability,price\na,vielleicht,5 EUR\nb,yes,{'x' * 100}\nc,yes,5 EUR\n")
    assert [(one["line"], one["value"]) for one in report.document()["examples"]] == [(2, "vielleicht"), (3, "x" * 60 + "...")]


async def test_an_item_beyond_the_size_limit_is_refused(shop: Shop) -> None:
    report = await shop.take('{"id": "a", "x": "' + "y" * 70_000 + '"}\n{"id": "b"}\n', "f.jsonl")
    assert "larger than" in report.examples[0].reason
    assert report.landed == 1


async def test_unknown_formats_and_files_are_faults(shop: Shop) -> None:
    with pytest.raises(FileFault, match="there is no column id"):
        await shop.take("x", "feed.doc")
    with pytest.raises(FileFault, match="cannot be read from parquet; give one of auto"):
        await shop.take("x", format="parquet")
    with pytest.raises(FileFault, match="cannot be read"):
        await import_items(shop.db, shop.settings, 1, [shop.folder / "none.csv"])
    with pytest.raises(FileFault, match="encoding"):
        await shop.take("id\n", encoding="klingon")


@pytest.mark.parametrize("text", ["", "id,price\n", "id,price\na,cheap\nb,dear\n"])
async def test_an_import_from_which_nothing_landed_has_failed(shop: Shop, text: str) -> None:
    for strict in (False, True):
        report = await shop.take(text, strict=strict)
        assert report.fault.startswith(("no items found", "nothing landed: 2 of 2 rows were refused"))
    with pytest.raises(FileFault, match="no items found"):
        await shop.take("<products><product><id>p1</id></product></products>", "feed.xml")


async def test_a_report_is_short_and_tells_what_was_left_out(shop: Shop) -> None:
    rows = "".join(f"c{number},cheap,\n" for number in range(300)) + "".join(f"s{number},5 EUR,9 EUR\n" for number in range(10))
    report = (await shop.take("id,price,sale_price\n" + rows + "x,5 EUR,\nx,5 EUR,\n")).document()
    assert report["reasons"] == {
        "price: a price must be a number or a text such as 19.90 GBP": 300,
        "the id was in an earlier row": 1,
    }
    assert [one["line"] for one in report["examples"]] == [2, 3, 4, 5, 6]
    assert report["warnings"]["sale_price was left out: it is not lower than the price"] == 10
    assert (report["read"], report["landed"], report["refused"]) == (312, 11, 301)


def test_an_example_of_each_reason_is_shown_and_rare_reasons_are_counted_together() -> None:
    report = Report()
    for number in range(40):
        report.refuse("f", number, f"reason {number % 3}" if number < 30 else f"rare {number}")
    shown = report.document()
    assert [one["reason"] for one in shown["examples"]][:4] == ["reason 0", "reason 1", "reason 2", "rare 30"]
    for number in range(100):
        report.refuse("f", number, f"odd {number}")
    assert len(report.document()["reasons"]) == 21
    assert sum(report.document()["reasons"].values()) == 140


async def test_an_item_that_an_earlier_version_read_otherwise_is_read_again(shop: Shop) -> None:
    text = "id,title,price,sale_price\na,Cup,20 EUR,15 EUR\n"
    await shop.take(text)
    await shop.db.run("update item set sale_price = null, price = 2000")
    report = await shop.take(text)
    assert (report.landed, report.unchanged) == (1, 0)
    assert [tuple(map(float, row)) for row in await shop.db.rows("select price, sale_price from item")] == [(20.0, 15.0)]
