"""`morsel rules dry-run`: what a draft in a file would change."""

import json
from pathlib import Path

from app.core.db import Database
from tests.commands.conftest import Line


async def test_a_draft_in_a_file_is_tried_and_nothing_is_recorded(line: Line, db: Database, tmp_path: Path) -> None:
    await line.run("rebuild")
    draft = tmp_path / "hats.json"
    draft.write_text(json.dumps({"action": "include", "where": 'item.category = "Hats"', "placements": ["home-popular", "email-grid"]}))
    told = await line.json("rules", "dry-run", "hats", draft, "--people", "10")
    assert (told["people"], told["answers"], told["published"]["filled"]) == (11, 22, 11 * (12 + 6))
    assert told["changed_people"] == 11
    said, _ = await line.run("rules", "dry-run", "hats", draft, "--people", "10", "--sentence")
    assert said.strip() == told["sentence"]
    assert not await db.rows("select 1 from serve")
    assert not await db.rows("select 1 from rule")


async def test_a_draft_of_a_placement_is_tried_and_mistakes_are_one_line(line: Line, tmp_path: Path) -> None:
    told = await line.json("placements", "dry-run", "email-grid", "--people", "5", "--with", "channel=email")
    assert (told["people"], told["changed_people"], told["kind"]) == (6, 0, "placement")
    draft = tmp_path / "wrong.json"
    draft.write_text('{"action": "lift"}')
    _, said = await line.run("rules", "dry-run", "x", draft, status=1)
    assert said.startswith("error: The rule cannot be used")
    _, said = await line.run("rules", "dry-run", "x", "--with", "weather=hot", status=1)
    assert said == "error: weather=hot: write NAME=VALUE; calls of a dry run take channel, country, locale, category and ctx.<name>.\n"
