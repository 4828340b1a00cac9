"""`morsel lists`: what everybody would get, in a file."""

import gzip
import json
from pathlib import Path

from app.core.db import Database
from tests.commands.conftest import Line


async def test_what_each_person_would_get_is_written_to_a_file_and_nothing_is_recorded(line: Line, db: Database, tmp_path: Path) -> None:
    file = tmp_path / "lists.jsonl"
    _, warned = await line.run("lists", "email-grid", file)
    assert warned.startswith("warning: no list came from a model; `sources` says why. Histories are made by the worker, or once by")
    await line.run("rebuild")
    told = await line.json("lists", "email-grid", file)
    lines = [json.loads(one) for one in file.read_text().splitlines()]
    known = {row.value for row in await db.rows("select value from person_identity where kind = 1")}
    assert sorted(one["user_id"] for one in lines) == sorted(known)
    assert told["people"] == len(known)
    assert sum(told["sources"].values()) == len(known)
    assert any(one["source"] == "live" and one["model"] == "personal" for one in lines)
    preview = await line.json("placements", "preview", "email-grid", "--user-id", "u1")
    (mine,) = [one for one in lines if one["user_id"] == "u1"]
    assert [one["item_id"] for one in mine["items"]] == [one["item_id"] for one in preview["items"]]
    assert not await db.rows("select 1 from serve")
    assert not list(tmp_path.glob("*.part"))


async def test_lists_for_a_file_of_people_are_packed_and_what_is_no_id_is_told(line: Line, tmp_path: Path) -> None:
    ids, file = tmp_path / "ids.txt", tmp_path / "lists.jsonl.gz"
    ids.write_text("u1\nundefined\nnobody\n")
    _, told = await line.run("lists", "email-grid", file, "--audience", ids, "--limit", "2")
    assert told.startswith("line 2: names nobody (a missing value, or a tag that was not filled)\n")
    lines = [json.loads(one) for one in gzip.decompress(file.read_bytes()).splitlines()]
    assert [(one["user_id"], len(one["items"])) for one in lines] == [("u1", 2), ("nobody", 2)]
    assert lines[1]["source"] == "popular"


async def test_a_run_that_fails_leaves_the_file_as_it_was(line: Line, tmp_path: Path) -> None:
    file = tmp_path / "lists.jsonl"
    file.write_text("yesterday's")
    _, told = await line.run("lists", "email-gird", file, status=1)
    assert told == "error: There is no placement named 'email-gird'; did you mean email-grid?\n"
    assert file.read_text() == "yesterday's"
    assert not list(tmp_path.glob("*.part"))


async def test_lists_of_a_placement_with_parts_tell_which_items_each_has(line: Line, tmp_path: Path) -> None:
    document, file, ids = tmp_path / "block.json", tmp_path / "lists.jsonl", tmp_path / "ids.txt"
    parts = [
        {"name": "because", "heading": "Because you bought {{ item.title }}", "default": "Popular", "seed": "last_bought", "limit": 2},
        {"name": "more", "heading": "And more", "limit": 2},
    ]
    document.write_text(json.dumps({"parts": parts}))
    ids.write_text("u1\nnobody\n")
    await line.run("rebuild")
    await line.run("placements", "publish", "block", document)
    await line.run("lists", "block", file, "--audience", ids)
    known, unknown = [json.loads(one) for one in file.read_text().splitlines()]
    assert known["parts"][0]["heading"].startswith("Because you bought Item ")
    assert unknown["parts"][0]["heading"] == "Popular"
    for one in (known, unknown):
        assert [item for told in one["parts"] for item in told["items"]] == [item["item_id"] for item in one["items"]]
