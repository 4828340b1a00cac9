"""Feeds as shops and tools really write them: each goes in without configuration, or says what to do."""

import gzip
import io
import time
import zipfile
from pathlib import Path
from typing import Any

import orjson
import pytest

from app.data.catalogue.assumed import Assumed
from app.data.catalogue.domain import Item
from app.data.catalogue.feed_files import feed
from app.data.catalogue.importing import _chunk, _Ids
from app.data.imports.files import FileFault, binary
from app.data.imports.readahead import Stretches

G = 'xmlns:g="http://base.google.com/ns/1.0"'


class Taken:
    """What became of a feed."""

    def __init__(self, path: Path, **more: Any) -> None:
        assumed = more.pop("assumed", Assumed())
        given = {"columns": {}, "encoding": "utf-8", **more}
        self.items: dict[str, Item] = {}
        self.refused: dict[int, str] = {}
        self.warnings: dict[str, int] = {}
        self.notes: list[str] = []
        with feed(path, given.pop("kind", "auto"), **given) as opened:
            self.notes = opened.notes
            rows, ids = Stretches(opened.rows), _Ids()
            while (chunk := _chunk(rows, ids, assumed, 65_536)) is not None:
                self.items |= {item.item_id: item for item in chunk.items}
                self.refused |= {line: reason for line, reason, _ in chunk.refused}
                for note, count in chunk.warnings.items():
                    self.warnings[note] = self.warnings.get(note, 0) + count

    def document(self, item_id: str) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(self.items[item_id].document)
        return found


@pytest.fixture
def take(tmp_path: Path) -> Any:
    def taken(text: str | bytes, name: str = "feed.csv", **more: Any) -> Taken:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return Taken(path, **more)

    return taken


def test_the_header_tells_what_separates_its_columns(take: Any) -> None:
    found = take('id;title;price\ns1;Stuhl;19,90 EUR\ns2;"Tisch; rund";129,00 EUR\n')
    assert [(item.title, str(item.price)) for item in found.items.values()] == [("Stuhl", "19.90"), ("Tisch; rund", "129.00")]
    assert take("sep=;\nid;title;price\nse1;Cup;9,90 EUR\n").document("se1")["price"] == "9,90 EUR"
    assert take("id|title\np|Cup\n").items["p"].title == "Cup"
    assert take("id\ttitle, long\tdescription, x\np\tCup\ty\n").document("p")["description,_x"] == "y"
    assert take("id;x,title,price\n", kind="csv", delimiter=";").items == {}
    assert take("id^title\na^Cup\n", delimiter="^").items["a"].title == "Cup"


def test_a_quote_in_a_field_of_tabs_is_text_unless_it_encloses_the_field(take: Any) -> None:
    text = (
        'id\ttitle\tprice\na\t"Best" shirt\t9.90 EUR\nb\t12" pizza\t1 EUR\nc\t"Say ""hi"""\t1 EUR\nd\t"two\nlines"\t1 EUR\n'
        'e\t"open\t1 EUR\nf\tlast\t1 EUR\n'
    )
    found = take(text, "feed.tsv")
    assert {item_id: item.title for item_id, item in found.items.items()} == {
        "a": '"Best" shirt', "b": '12" pizza', "c": 'Say "hi"', "d": "two\nlines", "e": '"open', "f": "last",
    }  # fmt: skip
    assert found.refused == {}


def test_a_quote_that_closes_nothing_is_told_and_not_dropped(take: Any) -> None:
    found = take('id,title\na,"Best" shirt\nb,fine\n')
    assert list(found.items) == ["b"]
    assert "not readable" in found.refused[2]


def test_lines_that_say_nothing_are_passed_over(take: Any) -> None:
    found = take("\n\n,,\n# Required | A unique id\nid,title,price\n\nbl1,Cup,9.90 EUR\n,,\n\n")
    assert (list(found.items), found.refused) == (["bl1"], {})
    assert take("\n\nid,price\na,cheap\n").refused == {4: "price: a price must be a number or a text such as 19.90 GBP"}


def test_a_column_that_stands_twice_is_a_list(take: Any) -> None:
    found = take("id,title,additional_image_link,additional_image_link\nd1,Cup,https://s/a.jpg,https://s/b.jpg\nd2,Mug,,https://s/c.jpg\n")
    assert found.document("d1")["additional_image_link"] == ["https://s/a.jpg", "https://s/b.jpg"]
    assert found.document("d2")["additional_image_link"] == "https://s/c.jpg"


def test_a_missing_id_names_the_nearest_column(take: Any) -> None:
    with pytest.raises(FileFault, match=r"use --column 'Product ID'=id"):
        take("Product ID,title\na,Cup\n")
    with pytest.raises(FileFault, match="use --column 'sku'=id"):
        take("sku,title\na,Cup\n")
    with pytest.raises(FileFault, match="there is no column id: it has title, price"):
        take("title,price\nCup,5\n")
    with pytest.raises(FileFault, match="use --column 'Artikelnummer'=id"):
        take("Bild;Artikelnummer;Preis\na.jpg;A1;5\n")
    with pytest.raises(FileFault, match="it has Bild, Preis; --column THEIRS=id"):
        take("Bild;Preis\na.jpg;5\n")
    assert take('{"product_id": "a"}\n', "feed.jsonl").refused == {1: "id is missing: the row has product_id; use --column product_id=id"}
    assert list(take("product_id,title\na,Cup\n", columns={"product_id": "id"}).items) == ["a"]


def test_an_atom_feed_has_the_ids_of_google_and_the_links_of_its_pages(take: Any) -> None:
    found = take(
        f'<feed xmlns="http://www.w3.org/2005/Atom" {G}><title>S</title><entry><id>tag:s,2026:a1</id><g:id>a1</g:id><title>Cup</title>'
        '<link rel="self" href="https://s.example/self"/><link rel="enclosure" href="https://s.example/a1.jpg"/>'
        '<link rel="alternate" type="text/html" href="https://s.example/a1"/><g:price>9.90 EUR</g:price></entry>'
        "<entry><g:id>a2</g:id><id>tag:s,2026:a2</id><link href='https://s.example/a2'/></entry></feed>",
        "feed.xml",
    )
    assert found.refused == {}
    assert found.document("a1")["link"] == "https://s.example/a1"
    assert found.document("a1")["image_link"] == "https://s.example/a1.jpg"
    assert found.document("a2")["link"] == "https://s.example/a2"


def test_names_of_other_namespaces_stand_apart(take: Any) -> None:
    found = take(
        f'<rss {G} xmlns:c="http://base.google.com/cns/1.0" xmlns:media="http://search.yahoo.com/mrss/"><channel><item>'
        '<media:title>Photo</media:title><c:id>zz</c:id><c:price type="string">old 12</c:price><title>Cup</title><g:id>cn1</g:id>'
        "<g:price>9.90 EUR</g:price><link>https://s.example/1</link></item></channel></rss>",
        "feed.xml",
    )
    document = found.document("cn1")
    assert (document["title"], document["price"], document["media:title"], document["c:id"]) == ("Cup", "9.90 EUR", "Photo", "zz")


def test_a_newline_before_the_declaration_is_passed_over(take: Any) -> None:
    found = take(f'\n  \n<?xml version="1.0"?>\n<rss {G}><channel><item><g:id>a</g:id></item></channel></rss>', "feed.xml")
    assert list(found.items) == ["a"]


def test_an_xml_file_without_items_says_what_it_has(take: Any) -> None:
    with pytest.raises(FileFault, match=r"no items found.*<products>, <product>"):
        take("<?xml version='1.0'?><products><product><id>p1</id></product></products>", "feed.xml")


@pytest.mark.parametrize(
    "piece", ["<!--" + "x" * 20_000_000 + "-->", "<?pi " + "x" * 20_000_000 + "?>", "<item a='" + "x" * 20_000_000 + "'/>"]
)
def test_one_endless_tag_or_comment_ends_the_reading(take: Any, piece: str) -> None:
    began = time.monotonic()
    with pytest.raises(FileFault, match="longer than 8 MB"):
        take(gzip.compress(f"<rss>{piece}</rss>".encode(), 1), "feed.xml.gz")
    assert time.monotonic() - began < 10


def test_a_line_without_end_ends_the_reading(take: Any) -> None:
    with pytest.raises(FileFault, match="line 2 is longer than"):
        take(gzip.compress(b"id,title\na," + b"x" * 9_000_000, 1), "feed.csv.gz")


def test_headers_that_cannot_both_be_are_told(take: Any) -> None:
    for header in ("id,locales,locales.de.title", "id,locales.de,locales.de.title", "id,locales.de", "id,locales..title"):
        with pytest.raises(FileFault, match=r"write locales.de.title"):
            take(header + "\na,b,c\n")


def test_more_columns_than_anybody_has_are_told_at_once(take: Any) -> None:
    began = time.monotonic()
    with pytest.raises(FileFault, match="200001 columns, more than 10000"):
        take("id," + ",".join(f"c{number}" for number in range(200_000)) + "\na" + "," * 200_000 + "\n")
    assert time.monotonic() - began < 5
    wide = "id," + ",".join(f"c{number}" for number in range(9_000))
    assert list(take(f"{wide}\na{',' * 9_000}\n").items) == ["a"]


@pytest.mark.parametrize(
    "text",
    [
        '[{"id": "a", "title": "Cup"}, {"id": "b", "price": 5}]',
        '[\n  {\n    "id": "a",\n    "title": "Cup"\n  },\n  {\n    "id": "b", "price": 5\n  }\n]\n',
        '{"products": [{"id": "a", "title": "Cup"}, {"id": "b", "price": 5}], "total": 2}',
        '\ufeff{\n "items" : [\n{"id": "a", "title": "Cup"}, {"id": "b", "price": 5}]}',
        '{\n"id": "a",\n"title": "Cup"\n}\n{\n"id": "b",\n"price": 5\n}\n',
        '{"id": "a", "title": "Cup"}\n{"id": "b", "price": 5}\n',
    ],
)
def test_json_is_read_in_every_layout(take: Any, text: str) -> None:
    found = take(text, "products.json")
    assert (list(found.items), found.items["a"].title, found.refused) == (["a", "b"], "Cup", {})


def test_a_long_list_of_json_is_read_a_piece_at_a_time_and_broken_json_says_where(take: Any) -> None:
    many = ",\n".join('{"id": "%d", "description": "%s"}' % (number, "x" * 900) for number in range(3_000))  # noqa: UP031
    assert len(take(f"[{many}]", "products.json").items) == 3_000
    with pytest.raises(FileFault, match="not valid JSON near line 3"):
        take('[\n{"id": "a"},\n{"id": oops}]', "products.json")


def zipped(**names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in names.items():
            archive.writestr(name, text)
    return out.getvalue()


@pytest.mark.parametrize("name", ["feed.zip", "feed.csv.zip", "feed.csv"])
def test_a_zip_of_one_file_is_read_whatever_it_is_called(take: Any, name: str) -> None:
    packed = zipped(**{"feed.csv": "id,title\na,Cup\n", "__MACOSX/._feed.csv": "x"})
    assert take(packed, name).items["a"].title == "Cup"
    with pytest.raises(FileFault, match="holds 2 files: unpack it"):
        take(zipped(**{"a.csv": "id\n1\n", "b.csv": "id\n2\n"}), name)
    with pytest.raises(FileFault, match="cannot be read: unpack it"):
        take(packed[:60], name)
    locked = bytearray(zipped(**{"feed.csv": "id,title\na,Cup\n"}))
    for place in (6, locked.index(b"PK\x01\x02") + 8):  # the flag of a password, in both heads
        locked[place] |= 1
    with pytest.raises(FileFault, match="cannot be read: unpack it"):
        take(bytes(locked), name)


def test_a_fault_of_whoever_reads_a_file_is_not_taken_for_one_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id\n1\n")
    with pytest.raises(RuntimeError, match="mine"), binary(tmp_path / "a.csv"):
        raise RuntimeError("mine")


def test_the_format_is_told_by_the_shape_where_the_name_says_nothing(take: Any) -> None:
    assert list(take('[{"id": "a"}]', "feed.dat").items) == ["a"]
    assert list(take("id,title\na,Cup\n", "feed.txt").items) == ["a"]
    assert list(take("id\ttitle\na\tCup\n", "feed.txt").items) == ["a"]
    assert list(take(f"<rss {G}><item><g:id>a</g:id></item></rss>", "feed").items) == ["a"]


def test_what_a_feed_leaves_open_can_be_said_beside_it(take: Any) -> None:
    assumed = Assumed.told("usd", ",", "Europe/Berlin", "https://shop.example/de/")
    text = (
        "id,title,price,sale_price,link,image_link,sale_price_effective_date,expiration_date\n"
        'a,Cup,"$1.299",999,/p/1,//cdn.example/1.jpg,2026-07-01/2026-07-02,2026-12-24T18:00\n'
        "b,Mug,1.299 EUR,,p/2,https://x.example/2.jpg,,\n"
    )
    found = take(text, assumed=assumed)
    assert found.refused == {}
    a, b = found.items["a"], found.items["b"]
    assert (str(a.price), a.currency, str(a.sale_price), str(b.price), b.currency) == ("1299.00", "USD", "999", "1299.00", "EUR")
    assert [moment and moment.isoformat() for moment in (a.sale_from, a.sale_until, a.expires_at)] == [
        "2026-06-30T22:00:00+00:00", "2026-07-02T21:59:59.999999+00:00", "2026-12-24T17:00:00+00:00",
    ]  # fmt: skip
    assert [found.document("a")[name] for name in ("link", "image_link")] == ["https://shop.example/p/1", "https://cdn.example/1.jpg"]
    assert found.document("b")["link"] == "https://shop.example/de/p/2"
    for wrong in (("XYZ",), ("", ";"), ("", "", "Mars"), ("", "", "", "shop.example")):
        with pytest.raises(ValueError, match="--"):
            Assumed.told(*wrong)
