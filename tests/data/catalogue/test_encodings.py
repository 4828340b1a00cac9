"""Files as spreadsheets and shops write them: marks, line ends, packing and encodings are read without being named."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from app.data.catalogue.feed_files import feed

TEXT = 'id,title,price\na1,"Größe, ""XL""\nzweite Zeile",3.50 EUR\na2,Ünï,4 EUR\n'
XML = (
    '<?xml version="1.0" encoding="{encoding}"?><rss xmlns:g="http://base.google.com/ns/1.0"><channel><item><g:id>a1</g:id>'
    "<title><![CDATA[Größe & Co]]></title><g:price>3.50 EUR</g:price><g:shipping><g:price>9 EUR</g:price></g:shipping>"
    "</item></channel></rss>"
)


def read(path: Path) -> list[dict[str, Any]]:
    with feed(path, "auto", columns={}, encoding="utf-8") as opened:
        return [row.document for row in opened.rows if row.document is not None]


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("plain.csv", TEXT.encode()),
        ("mark.csv", TEXT.encode("utf-8-sig")),
        ("unicode.csv", TEXT.encode("utf-16")),
        ("unicode.txt", TEXT.replace(",", "\t").replace("Größe\t", "Größe,").encode("utf-16")),
        ("packed.csv", gzip.compress(TEXT.encode(), mtime=0)),
        ("joined.csv", gzip.compress(TEXT[:20].encode(), mtime=0) + gzip.compress(TEXT[20:].encode(), mtime=0)),
        ("packed.csv.gz", gzip.compress(TEXT.encode("utf-16"), mtime=0)),
    ],
)
def test_a_file_is_read_by_its_mark_and_its_packing(tmp_path: Path, name: str, raw: bytes) -> None:
    (tmp_path / name).write_bytes(raw)
    found = read(tmp_path / name)
    assert [one["title"] for one in found] == ['Größe, "XL"\nzweite Zeile', "Ünï"]
    assert [one["price"] for one in found] == ["3.50 EUR", "4 EUR"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_end_of_a_line_ends_a_row(tmp_path: Path, end: str) -> None:
    (tmp_path / "a.csv").write_bytes(end.join(["id,title", "a1,One", "a2,Two", ""]).encode())
    assert [one["title"] for one in read(tmp_path / "a.csv")] == ["One", "Two"]


@pytest.mark.parametrize("encoding", ["ISO-8859-1", "windows-1252", "UTF-16", "UTF-8"])
def test_xml_is_read_in_the_encoding_that_it_names_and_a_price_of_shipping_is_no_price(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.xml").write_bytes(XML.format(encoding=encoding).encode(encoding))
    assert [(one["title"], one["price"]) for one in read(tmp_path / "a.xml")] == [("Größe & Co", "3.50 EUR")]
