"""`morsel people import`: files of traits, row by row."""

import asyncio
import gzip
import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.core.db import Database
from app.core.settings import Settings
from app.data import outbox
from app.data.imports.files import FileFault
from app.data.online.publisher import Publisher
from app.data.people import states
from app.data.people.trait_files import Form, import_traits
from app.data.privacy import consent

PEOPLE = """id;age;postcode;vip;born;city;note
u1;34;01067;true;1990-02-03;Paris;
u2;;10115;FALSE;1991-12-31;"Lyon; old town";x
;1;1;true;;;
u3;5.5;80331;true;;;
u1;35;01067;false;;;
null;1;1;true;;;
u4;1;2
u5;;;;;;
"""


async def told(http: httpx.AsyncClient, user: str, by: str = "user_id") -> dict[str, Any]:
    found: dict[str, Any] = (await http.get(f"/v1/admin/people/{user}", params={"by": by})).json()["traits"]
    return found


async def test_each_row_lands_or_is_told_and_columns_have_one_type(
    http: httpx.AsyncClient, db: Database, settings: Settings, tenant: int, tmp_path: Path
) -> None:
    path = tmp_path / "people.csv"
    path.write_text(PEOPLE)
    report = await import_traits(db, settings, tenant, [path], Form(column="id", text=("postcode",)))
    assert (report.read, report.landed, report.refused) == (8, 4, 4)
    assert report.reasons == {
        "id is missing": 1, "id names nobody (a missing value, or a tag that was not filled)": 1,
        "has 3 fields where the header has 7": 1, "the row tells no trait": 1,
    }  # fmt: skip
    assert [one.line for one in report.examples] == [4, 7, 8, 9]
    assert report.assumed == [
        "people.csv: numbers in age; --text COLUMN keeps one as text",
        "people.csv: flags in vip; --text COLUMN keeps one as text",
    ]
    assert await told(http, "u1") == {"age": 35, "born": "1990-02-03", "city": "Paris", "postcode": "01067", "vip": False}
    assert await told(http, "u2") == {"born": "1991-12-31", "city": "Lyon; old town", "note": "x", "postcode": "10115", "vip": False}
    sources = (await http.get("/v1/admin/people/u1")).json()["trait_sources"]
    assert {name: one["type"] for name, one in sources.items()} == {
        "age": "number", "born": "moment", "city": "text", "postcode": "text", "vip": "flag",
    }  # fmt: skip
    assert {one["source"] for one in sources.values()} == {"file"}
    ((what, landed, finished),) = await db.rows("select what, landed, finished_at is not null from import_run")
    assert (what, landed, finished) == ("traits", 4, True)
    assert (await db.rows("select note from audit where what = 'import traits'"))[0][0] == "4 of 8 rows of people.csv"


async def test_json_lines_keep_their_types_and_null_takes_the_word_of_files_back(
    http: httpx.AsyncClient, db: Database, settings: Settings, tenant: int, tmp_path: Path
) -> None:
    lines = [
        {"user_id": "u1", "plan": "gold", "address": {"city": "Rome"}, "tags": ["a"]},
        {"user_id": 7, "n": "7"},
        {"user_id": True, "n": 1},
    ]
    path = tmp_path / "people.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join([*map(json.dumps, lines), "{"]).encode()))
    report = await import_traits(db, settings, tenant, [path], Form())
    assert (report.landed, report.refused) == (2, 2)
    assert await told(http, "u1") == {"plan": "gold", "address.city": "Rome", "tags": ["a"]}
    assert await told(http, "7") == {"n": "7"}
    path.write_bytes(gzip.compress(b'{"user_id": "u1", "plan": null, "long": "' + b"x" * 600 + b'"}'))
    report = await import_traits(db, settings, tenant, [path], Form())
    assert report.warnings == {"trait long: the value is longer than 500 characters; it was left out": 1}
    assert await told(http, "u1") == {"address.city": "Rome", "tags": ["a"]}


async def test_addresses_are_kept_as_hashes_and_who_refused_is_left_alone(
    http: httpx.AsyncClient, db: Database, settings: Settings, tenant: int, tmp_path: Path
) -> None:
    path = tmp_path / "people.csv"
    path.write_text("email,plan\nAnn@Shop.example,gold\nnobody,gold\n")
    await import_traits(db, settings, tenant, [path], Form(column="email", by="email"))
    assert await told(http, hashlib.sha256(b"ann@shop.example").hexdigest(), "email_sha256") == {"plan": "gold"}
    assert "shop.example" not in str(await db.rows("select p.traits::text, i.value from person p join person_identity i using (person_no)"))
    await consent.set_consent(db, settings, tenant, "u9", False)
    path.write_text("user_id,plan\nu9,gold\n")
    report = await import_traits(db, settings, tenant, [path], Form())
    assert (report.landed, report.reasons) == (0, {"the person withdrew consent": 1})
    assert await told(http, "u9") == {}


async def test_a_file_of_another_day_does_not_overrule_what_was_told_since(
    http: httpx.AsyncClient, db: Database, settings: Settings, publisher: Publisher, tenant: int, tmp_path: Path
) -> None:
    path = tmp_path / "people.csv"
    for plan, moment in (
        ("new", None),
        ("old", datetime(2020, 1, 1, tzinfo=UTC)),
        ("future", datetime(2200, 1, 1, tzinfo=UTC)),
        ("last", None),
    ):
        path.write_text(f"user_id,plan\nu1,{plan}\n")
        await import_traits(db, settings, tenant, [path], Form(as_of=moment))
        assert await told(http, "u1") == {"plan": "new" if plan == "old" else plan}
    assert await states.deliver(db, settings, publisher, tenant) == 0, "answers wait for no trait"
    assert await states.deliver(db, settings, publisher, tenant, outbox.PATIENT) == 4


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n"])
async def test_a_file_without_ids_says_which_columns_it_has(
    db: Database, settings: Settings, tenant: int, tmp_path: Path, text: str
) -> None:
    path = tmp_path / "people.csv"
    path.write_text(text)
    with pytest.raises(FileFault, match=r"there is no column user_id; it has (none|a, b): --id COLUMN"):
        await import_traits(db, settings, tenant, [path], Form())
    ((fault,),) = await db.rows("select report ->> 'fault' from import_run")
    assert "there is no column" in fault


async def test_the_command_lists_what_was_refused_and_fails_when_nothing_landed(
    db: Database, settings: Settings, tenant: int, tmp_path: Path
) -> None:
    environment = {
        **os.environ,
        "MORSEL_DATABASE_URL": settings.database_url,
        "MORSEL_REDIS_URL": settings.redis_url,
        "MORSEL_DATA_DIR": str(tmp_path),
    }
    command = [sys.executable, "-m", "app.cli", "people", "import"]
    path = tmp_path / "people.csv"
    for text, status in (("id,plan\nu1,gold\n,silver\n", 0), ("id,plan\n,gold\n", 1), ("name\nann\n", 1)):
        path.write_text(text)
        done = await asyncio.to_thread(
            subprocess.run, [*command, str(path), "--id", "id"], env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr
        if "id" in text:
            report = json.loads(done.stdout)
            assert report["reasons"] == {"id is missing": 1}
        else:
            assert "--id COLUMN says which holds the ids" in done.stderr
    assert (await db.rows("select count(*) from person where traits <> '{}'"))[0][0] == 1
