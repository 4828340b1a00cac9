"""The import assistant: files as shops write them are understood, shown before they land, mapped, imported; what was refused comes back."""

import html
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.access.accounts.domain import Role
from tests.dashboard.site import Browser, Site
from tests.data.uploads.sheets import sheet

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases"
CP1252 = (
    "Artikelnummer;Bezeichnung;Preis;Angebotspreis;Lagerbestand;Bild;Farbe\r\n"
    "DE-1;Größe Mütze für Füße;1.299,00 €;;5;https://x.example/1.jpg;rot\r\n"
    "DE-2;Schöner Hut;19,90 €;15,90 €;0;https://x.example/2.jpg;blau\r\n"
    "DE-3;Kaputt;viel;;1;;grün\r\n"
).encode("cp1252")


def staged(site: Site, name: str, body: bytes, what: str = "items", status: int = 201, **more: str) -> Any:
    with site.admin() as admin:
        answer = admin.post("/v1/admin/imports", params={"what": what, "file_name": name, **more}, content=body)
        assert answer.status_code == status, answer.text
        return answer.json()


def imported(site: Site, number: int, options: Any = None) -> Any:
    with site.admin() as admin:
        answer = admin.post(f"/v1/admin/imports/{number}/run", json=options)
        assert answer.status_code == 202, answer.text
        for _ in range(300):
            found = admin.get(f"/v1/admin/imports/{number}").json()
            if found["status"] in ("done", "failed"):
                return found
            time.sleep(0.1)
    raise AssertionError(found)


def test_a_feed_of_a_german_shop_in_an_old_encoding_is_understood_and_its_refused_row_comes_back(site: Site) -> None:
    told = staged(site, "Produkte März.csv", CP1252)
    assert told["options"]["encoding"] == "cp1252"
    fields = {one["name"]: one["field"] for one in told["preview"]["columns"]}
    assert fields == {
        "Artikelnummer": "id", "Bezeichnung": "title", "Preis": "price", "Angebotspreis": "sale_price", "Lagerbestand": "availability",
        "Bild": "image_link", "Farbe": "",
    }  # fmt: skip
    assert told["preview"]["rows"][0]["mapped"]["title"] == "Größe Mütze für Füße"
    assert told["preview"]["rows"][0]["mapped"]["price"] == "1299.00 EUR"
    assert told["preview"]["rows"][1]["mapped"]["availability"] == "not in stock"
    assert told["preview"]["rows"][2]["fault"].startswith("price: ")
    assert (told["preview"]["landing"], told["preview"]["refused"]) == (2, 1)
    assert told["preview"]["command"].startswith("morsel import items 'Produkte März.csv' --encoding cp1252 --column Artikelnummer=id")
    done = imported(site, told["upload_no"])
    assert (done["status"], done["run"]["landed"], done["run"]["refused"], done["refused_kept"]) == ("done", 2, 1, 1)
    with site.admin() as admin:
        item = admin.get("/v1/items/DE-2").json()
        assert item["document"]["Farbe".lower()] == "blau"
        answer = admin.get(f"/v1/admin/imports/{told['upload_no']}/refused")
        assert answer.headers["content-type"].startswith("text/csv")
        lines = answer.content.decode("utf-8-sig").splitlines()
        assert lines[0] == "line,reason,Artikelnummer,Bezeichnung,Preis,Angebotspreis,Lagerbestand,Bild,Farbe"
        assert lines[1].startswith("4,price: ")
        assert lines[1].endswith("DE-3,Kaputt,viel,,1,,grün")
        assert admin.get("/v1/admin/imports").json()["runs"][0]["upload_no"] == told["upload_no"]
        audit = admin.get("/v1/admin/audit", params={"kind": "items"}).json()["lines"]
        assert audit[0]["what"] == "import"
        assert admin.post(f"/v1/admin/imports/{told['upload_no']}/run").status_code == 409
    assert list((site.settings.data_dir / "uploads" / f"1-{told['upload_no']}").iterdir()) == [
        site.settings.data_dir / "uploads" / f"1-{told['upload_no']}" / "refused.csv"
    ]


def test_a_spreadsheet_goes_in_with_numbers_and_dates_as_its_cells_hold_them(site: Site) -> None:
    rows: list[list[Any]] = [
        ["SKU", "Name", "Price", "Currency", "In stock", "expiration date"],
        [4711, "A lamp", 1.299, "EUR", True, datetime(2099, 12, 24, 18, 30)],
        ["X-2", "A <b>shade</b>", 20, "EUR", False, datetime(2099, 12, 24)],
        ["", "", "", "", "", ""],
    ]
    told = staged(site, "products.xlsx", sheet(rows))
    assert told["preview"]["notes"][0] == "read as a spreadsheet"
    done = imported(site, told["upload_no"])
    assert (done["run"]["landed"], done["run"]["refused"]) == (2, 0), done
    with site.admin() as admin:
        lamp = admin.get("/v1/admin/catalogue/items/4711").json()
        assert (lamp["item"]["title"], lamp["item"]["price"], lamp["item"]["available"]) == ("A lamp", 1.299, True)
        assert lamp["expires_at"].startswith("2099-12-24T18:30")
        assert admin.get("/v1/items/X-2").json()["available"] is False


def test_columns_that_nobody_knows_are_mapped_in_the_form_kept_by_name_and_land(site: Site, browser: Browser) -> None:
    body = b"qq,ww,ee,rr\nodd-1,A thing,10.50,cellar\nodd-2,Another,x,loft\n"
    page = browser.post("/catalogue/import", files={"file": ("odd.csv", body)})
    number = re.search(r'action="/catalogue/import/(\d+)"', page)
    assert number
    assert "there is no column id" in page
    options = re.search(r'name="options" value="([^"]+)"', page)
    assert options
    form: dict[str, Any] = {
        "options": html.unescape(options[1]), "column": ["qq", "ww", "ee", "rr"], "own": [""] * 4,
        "field": ["id", "title", "price", "-"],
        "currency": "eur", "format": "auto", "encoding": "utf-8",
    }  # fmt: skip
    address = f"/catalogue/import/{number[1]}"
    page = browser.post(address, **form)
    assert "10.50 EUR" in page
    assert "1 of the first 2 rows would be refused" in page
    assert "morsel import items odd.csv --currency eur --column qq=id --column ww=title --column ee=price --column rr=" in html.unescape(
        page
    )
    assert "Kept as odd ones" in browser.post(address, **form, act="keep", name="odd ones")
    browser.post(address, **form, act="run")
    for _ in range(300):
        page = browser.get(address)
        if "Done: it shows" in page:
            break
        time.sleep(0.1)
    assert "1 refused rows as CSV" in page
    assert "odd-2" in browser.get(f"{address}/refused")
    with site.admin() as admin:
        assert admin.get("/v1/items/odd-1").json()["document"] == {"id": "odd-1", "title": "A thing", "price": "10.50", "currency": "EUR"}
    page = browser.post("/catalogue/import", files={"file": ("odd again.csv", body)}, mapping="odd ones")
    assert "10.50 EUR" in page
    assert "odd.csv" in browser.get("/catalogue/imports")
    assert "odd ones" in browser.get("/catalogue/import")


def test_events_with_columns_and_days_of_their_own_are_understood_and_land_once(site: Site) -> None:
    body = (
        b"Kundennummer;Artikelnummer;Bestelldatum;Menge;Einzelpreis;Bestellnummer\n"
        b"k-77;DE-2;13.11.2026 08:15;2;15,90;b-1\nk-78;DE-2;14.11.2026 09:00;1;15,90;b-2\nk-79;DE-2;gestern;1;15,90;b-3\n"
    )
    told = staged(site, "orders.csv", body, "events")
    options = told["options"]
    assert (options["delimiter"], options["decimal"], options["time_format"]) == (";", ",", "")
    assert any("cannot be read" in note for note in told["preview"]["notes"])
    options |= {"time_format": "%d.%m.%Y %H:%M", "timezone": "Europe/Berlin"}
    with site.admin() as admin:
        preview = admin.post(f"/v1/admin/imports/{told['upload_no']}/preview", json=options).json()
    assert preview["rows"][0]["mapped"] == {
        "user_id": "k-77", "kind": "purchase", "item_id": "DE-2", "occurred_at": "2026-11-13T08:15:00+01:00", "quantity": "2",
        "price": "15.9", "order_id": "b-1",
    }  # fmt: skip
    assert preview["command"] == "morsel import events orders.csv --mapping mapping.toml --source orders --format csv"
    assert 'time_format = "%d.%m.%Y %H:%M"' in preview["mapping"]
    done = imported(site, told["upload_no"], options)
    assert (done["run"]["landed"], done["run"]["refused"]) == (2, 1)
    again = staged(site, "orders.csv", body, "events")
    done = imported(site, again["upload_no"], options)
    assert (done["run"]["landed"], done["run"]["duplicate"]) == (0, 2)


def test_the_mapping_that_is_shown_is_the_one_that_the_command_line_reads(site: Site, browser: Browser, tmp_path: Path) -> None:
    from app.data.events.formats import mapping as mappings
    from app.data.uploads.domain import Options

    body = b'{"who": {"id": "u1"}, "lines": [{"sku": "a"}], "at": 1764410567, "did": "k\\"uck"}\n'
    told = staged(site, "nested.jsonl", body, "events")
    options = {
        **told["options"], "columns": {"who.id": "user_id", "lines.sku": "item_id", "at": "occurred_at", "did": "kind"},
        "kinds": {'k"uck': "view"},
    }  # fmt: skip
    with site.admin() as admin:
        preview = admin.post(f"/v1/admin/imports/{told['upload_no']}/preview", json=options).json()
    assert preview["landing"] == 1
    path = tmp_path / "mapping.toml"
    path.write_text(preview["mapping"], "utf-8")
    assert mappings.load(path) == Options.model_validate(options).mapping()
    assert browser.get(f"/events/import/{told['upload_no']}/mapping.toml") == preview["mapping"]


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [
        ("nothing.csv", b"", "The file is empty"),
        ("products.xlsx", b"PK\x03\x04 no spreadsheet", "not a spreadsheet that can be read"),
        ("feed.xml", b"<products><product><id>1</id></product></products>", "an item is an <item>"),
        ("events.parquet", b"PAR1", "Parquet files go in by the command line"),
        ("feed.csv.gz", b"\x1f\x8b\x08\x00garbage", "gzip file is damaged"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_with_what_to_do_and_is_not_kept(
    site: Site, browser: Browser, name: str, body: bytes, words: str
) -> None:
    assert words in staged(site, name, body, status=422)["detail"]
    if body:
        assert words.replace("<", "&lt;").replace(">", "&gt;") in browser.post("/catalogue/import", 422, files={"file": (name, body)})


def test_hostile_names_of_files_columns_and_values_are_text(site: Site, browser: Browser) -> None:
    body = b'id,<img src=x onerror=alert(1)>,{{7*7}},title\n../../x,"<script>alert(1)</script>",a,"=cmd|\' /C calc\'!A0"\n'
    page = browser.post("/catalogue/import", files={"file": ("../../<img src=x>.csv", body)})
    assert "<img src=x" not in page
    assert "<script>alert" not in page
    assert "{{7*7}}" in page
    assert not (site.settings.data_dir.parent / "x").exists()


def test_who_may_import_what_follows_the_role(site: Site) -> None:
    viewer, marketer = site.browser(Role.VIEWER), site.browser(Role.MARKETER)
    viewer.get("/catalogue/import", 403)
    viewer.get("/catalogue/imports")
    viewer.post("/catalogue/import", 403, files={"file": ("a.csv", b"id\n1\n")})
    marketer.get("/catalogue/import")
    marketer.get("/events/import", 403)
    told = staged(site, "people.csv", b"user_id,kind,occurred_at\nsecret-person,view,2026-11-01\n", "events")
    for browser in (viewer, marketer):
        headers = {"Authorization": f"Bearer {browser.token}"}
        for path in ("preview", "run"):
            answer = browser.http.post(f"{site.api}/v1/admin/imports/{told['upload_no']}/{path}", headers=headers)
            assert answer.status_code == 403, path
            assert "secret-person" not in answer.text


def test_a_body_over_the_general_limit_is_taken_and_an_import_that_was_broken_off_begins_again(site: Site) -> None:
    rows = b"".join(b"big-%d,%s\n" % (number, b"x" * 400) for number in range(25_000))
    told = staged(site, "big.csv", b"id,title\n" + rows)
    assert told["bytes"] > site.settings.max_body_bytes

    async def broken_off() -> None:
        from app.core.db import Database

        db = Database(site.settings.database_url, 1)
        await db.run("update upload set status = 'running' where upload_no = :no", no=told["upload_no"])
        await db.close()

    site.do(broken_off())
    with site.admin() as admin:
        for _ in range(600):
            found = admin.get(f"/v1/admin/imports/{told['upload_no']}").json()
            if found["status"] in ("done", "failed"):
                break
            time.sleep(0.1)
    assert (found["status"], found["run"]["landed"]) == ("done", 25_000)


@pytest.mark.parametrize(
    "name", ["c3-semicolon.csv", "c3-excel-sep-line.csv", "c9-shopify-variants.csv", "c4-tsv-quoted-word.tsv", "c5-atom-id.xml"]
)
def test_files_as_shops_send_them_land_without_a_word(site: Site, name: str) -> None:
    if not CASES.is_dir():
        pytest.skip("the files of field cases are not here")
    told = staged(site, name, (CASES / name).read_bytes())
    assert told["preview"]["fault"] == ""
    assert told["preview"]["landing"] == told["preview"]["looked"] > 0
    assert datetime.fromisoformat(told["created_at"]) <= datetime.now(UTC)
