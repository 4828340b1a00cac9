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


async def test_recorded_requests_are_asked_again_and_templates_tried(line: Line, db: Database, tmp_path: Path) -> None:
    told = await line.json("placements", "dry-run", "email-grid", "--replay")
    assert (told["answers"], told["replayed"]["recorded"]) == (0, 0)
    told = await line.json("placements", "dry-run", "email-grid", "--replay", "--from", "2026-01-01", "--to", "2026-01-03")
    assert told["replayed"]["begins"].startswith("2026-01-01T00:00:00")
    assert told["sentence"] == (
        "No request to a placement that the placement touches is recorded from 2026-01-01 00:00 to 2026-01-03 00:00 UTC."
    )
    _, said = await line.run("placements", "dry-run", "email-grid", "--replay", "--from", "2026-01-03", "--to", "2026-01-01", status=1)
    assert said == "error: `to` is after `from`, by 31 days at most.\n"
    told = await line.json("templates", "dry-run", "grid", "--people", "5")
    assert (told["kind"], told["changed"], told["people"]) == ("template", 0, 6)
    draft = tmp_path / "grid.json"
    shown = await line.json("templates", "show", "grid")
    draft.write_text(json.dumps({**shown, "text": {**shown["text"], "frame": "Hello\n" + shown["text"]["frame"]}}))
    said, _ = await line.run("templates", "dry-run", "grid", draft, "--people", "5", "--sentence")
    assert "answers would look other than now." in said


async def test_a_draft_of_a_segment_is_tried_on_people_of_the_last_hour(line: Line, tmp_path: Path) -> None:
    await line.run("rebuild")
    told = await line.json("segments", "dry-run", "buyers", "--when", "orders > 0")
    assert told["people"] > 0
    assert (told["published"], told["entering"], told["leaving"]) == (0, told["draft"], 0)
    assert len(told["entering_examples"]) == min(told["draft"], 10)
    draft = tmp_path / "buyers.json"
    draft.write_text(json.dumps({"fact": "orders", "is": ">", "value": 0}))
    assert (await line.json("segments", "dry-run", "buyers", "--when", draft))["when"] == told["when"]
    draft.write_text(json.dumps({"when": "views > 0"}))
    await line.run("segments", "publish", "buyers", draft, "--draft")
    assert (await line.json("segments", "dry-run", "buyers"))["when"] == "views > 0"
    draft.write_text("{}")
    await line.run("segments", "publish", "a-list", draft)
    _, said = await line.run("segments", "dry-run", "a-list", status=1)
    assert said == "error: the segment a-list is a list: name a condition with --when\n"
    _, said = await line.run("segments", "dry-run", "buyers", "--when", "ordrs > 0", status=1)
    assert "did you mean orders?" in said
    _, said = await line.run("segments", "dry-run", "nobodys", status=1)
    assert "nobodys" in said
