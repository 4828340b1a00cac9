"""What the import assistant takes files for: encodings, marks, moments, columns; and that the command line it shows does the same."""

import shlex
from datetime import datetime
from pathlib import Path

import pytest

from app.data.catalogue.feed_files import feed
from app.data.imports.files import FileFault
from app.data.imports.sheets import cell, sheet
from app.data.uploads.domain import BadOptions, Options, command
from app.data.uploads.folder import safe_name
from app.data.uploads.guessing import decimal_of, form_of, guess
from app.data.uploads.preview import preview
from app.data.uploads.words import fields_of
from tests.data.uploads.sheets import sheet as made


@pytest.mark.parametrize(
    ("text", "encoding", "guessed"),
    [
        ("id,title\n1,Größe für Füße und Mäntel\n", "cp1252", "cp1252"),
        ("id,title\n1,Robe d'été à manches légères\n", "latin-1", "cp1252"),
        ("id,title\n1,Żółta sukienka z długim rękawem świąteczna\n", "cp1250", "cp1250"),
        ("id,title\n1,Красное платье летнее\n", "cp1251", "cp1251"),
        ("id,title\n1,Größe\n", "utf-16", "utf-16"),
        ("id,title\n1,Größe Красное 帽子\n", "utf-8", "utf-8"),
        ("id,title\n1,Größe\n", "utf-8-sig", "utf-8"),
    ],
)
def test_the_encoding_of_a_text_is_guessed(tmp_path: Path, text: str, encoding: str, guessed: str) -> None:
    path = tmp_path / "feed.csv"
    path.write_bytes(text.encode(encoding))
    options, _ = guess(path, "items", path.name)
    assert options.encoding == guessed
    shown = preview(path, "items", path.name, options, 65_536, [])
    assert shown.rows[0].mapped["title"] == text.strip().rpartition("1,")[2]


@pytest.mark.parametrize(
    ("values", "mark"),
    [(["1,50", "2,99 €"], ","), (["1.50", "EUR 2.99"], "."), (["1,50", "1.50"], ""), (["12", "1.299"], ""), ([], "")],
)
def test_the_mark_before_cents_is_the_one_that_all_prices_agree_on(values: list[str], mark: str) -> None:
    assert decimal_of(values) == mark


@pytest.mark.parametrize(
    ("values", "form"),
    [
        (["2026-11-01", "1764410567"], ""),
        (["13.11.2026 08:15", "1.12.2026 9:00"], "%d.%m.%Y %H:%M"),
        (["11/13/2026 08:15"], "%m/%d/%Y %H:%M"),
        (["11/13/2026 08:15", "13/11/2026 08:15"], ""),
        (["2026/11/13"], "%Y/%m/%d"),
    ],
)
def test_the_form_of_moments_is_one_that_reads_all_of_them(values: list[str], form: str) -> None:
    assert form_of(values)[0] == form


def test_days_and_months_that_cannot_be_told_apart_are_told() -> None:
    assert form_of(["01/02/2026"]) == (
        "%d/%m/%Y",
        ["days and months cannot be told apart: the first number is taken for the day"],
    )


def test_columns_are_known_by_their_names_in_many_languages() -> None:
    assert fields_of("items", ["Référence", "Désignation", "Prix TTC", "Catégorie", "Marque", "Lien image"]) == {
        "Référence": "id", "Désignation": "title", "Prix TTC": "price", "Catégorie": "category", "Marque": "brand",
        "Lien image": "image_link",
    }  # fmt: skip
    assert fields_of("items", ["sku", "product_id", "id", "g:Image Link"]) == {"id": "id", "g:Image Link": "image_link"}
    assert fields_of("events", ["customer.id", "line_items.sku", "created_at"]) == {
        "line_items.sku": "item_id", "created_at": "occurred_at", "customer.id": "user_id",
    }  # fmt: skip


def test_the_command_line_that_is_shown_does_the_same(tmp_path: Path) -> None:
    options = Options(
        encoding="cp1252", delimiter=";", decimal=",", currency="EUR", base_url="https://shop.example", full=True,
        columns={"Art Nr=1": "id", "it's": ""},
    )  # fmt: skip
    words = shlex.split(command("items", "-odd name.csv", options))
    assert words[:4] == ["morsel", "import", "items", "./-odd name.csv"]
    assert words[4:] == [
        "--encoding", "cp1252", "--delimiter", ";", "--currency", "EUR", "--decimal", ",", "--base-url", "https://shop.example",
        "--column", "Art Nr=1=id", "--column", "it's=", "--full",
    ]  # fmt: skip


def test_options_that_make_no_mapping_say_what_is_missing() -> None:
    with pytest.raises(BadOptions, match="one of user_id, anonymous_id and email must be mapped"):
        Options(columns={"a": "item_id"}).mapping()
    with pytest.raises(BadOptions, match="colour is no field of an event"):
        Options(columns={"a": "colour"}).mapping()
    with pytest.raises(BadOptions, match="timezone must be a name such as Europe/Berlin"):
        Options(timezone="Nowhere/Land").assumed()


def test_cells_are_texts_that_mean_what_the_cell_holds() -> None:
    moments = (datetime(2026, 11, 27), datetime(2026, 11, 27, 8, 30))
    assert [cell(one) for one in (42.0, 0.1 + 0.2, 1.299, True, *moments, "a ", None, 1e20)] == [
        "42", "0.3", "1.2990", "true", "2026-11-27", "2026-11-27T08:30:00", "a ", "", "1e+20",
    ]  # fmt: skip


def test_a_spreadsheet_is_a_feed_with_the_lines_of_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "feed.xlsx"
    path.write_bytes(made([["id", "title", "price"], ["a", "Hat", 5], ["", "", ""], ["b", "Cap", 1.5]]))
    with feed(path, "auto", columns={}, encoding="utf-8") as found:
        rows = [(row.line, row.document) for row in found.rows]
    assert rows == [(2, {"id": "a", "title": "Hat", "price": "5"}), (4, {"id": "b", "title": "Cap", "price": "1.5"})]
    path.write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(FileFault, match="not a spreadsheet that can be read"), sheet(path):
        pass


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\feeds\\a.csv", "a.csv"),
        ("..", "file"),
        ("a\x00b\n.csv", "a_b_.csv"),
        ("x" * 400 + ".csv", None),
    ],
)
def test_names_of_files_stay_in_their_folder(name: str, safe: str | None) -> None:
    found = safe_name(name)
    assert found == safe or (safe is None and len(found) == 150 and found.endswith(".csv"))


def test_options_that_nobody_can_mean_are_told_instead_of_failing(tmp_path: Path) -> None:
    for mark in ("ab", '"', "\n", "\\"):
        with pytest.raises(ValueError, match="delimiter"):
            Options(delimiter=mark)
    assert Options(delimiter="\\t").mark == "\t"
    with pytest.raises(BadOptions, match="timezone"):
        Options(timezone="Europe").assumed()
    path = tmp_path / "feed.csv"
    path.write_bytes(b"id,title\n1,Hat\n")
    for encoding in ("nothing-such", "base64", "undefined"):
        assert preview(path, "items", path.name, Options(encoding=encoding), 65_536, []).fault
