"""`morsel placements` and `morsel templates`: the same as over HTTP, and every mistake is one line."""

import json
from pathlib import Path

from tests.commands.conftest import Line


async def test_a_document_is_shown_changed_compared_published_seen_undone_and_deleted(line: Line, tmp_path: Path) -> None:
    file = tmp_path / "email-grid.json"
    for group, name in (("placements", "email-grid"), ("templates", "hero")):
        file.write_text((await line.run(group, "show", name))[0])
        assert (await line.run(group, "publish", name, file))[0] == f"{name} version 2\n"
        _, told = await line.run(group, "publish", name, file, status=1)
        assert told.startswith(f"error: {name} has changed since version 1: version 2 is published now.")
        assert "Traceback" not in told
    shown = await line.json("placements", "show", "email-grid")
    file.write_text(json.dumps({**shown, "count": 2, "filter": {"categories": ["Hatz"]}}))
    _, told = await line.run("placements", "publish", "email-grid", file, "--strict", status=1)
    assert "no item has the category Hatz; did you mean Hats?" in told
    out, told = await line.run("placements", "publish", "email-grid", file, "--draft")
    assert out == "email-grid version 3 (draft)\n"
    assert "warning: filter.categories: no item has the category Hatz; did you mean Hats?" in told
    assert '+  "count": 2,' in (await line.run("placements", "diff", "email-grid"))[0]
    assert (await line.json("placements", "preview", "email-grid", "--user-id", "u1"))["item_count"] == 2
    page = tmp_path / "out.html"
    _, told = await line.run("placements", "preview", file, "--user-id", "u1", "--html", page)
    assert told.startswith("warning: filter: nothing that passes it can be shown; used without its categories\nthese are popular items: ")
    assert page.read_text().count("<img") == 2
    assert (await line.run("placements", "rollback", "email-grid", "--version", "3"))[0] == "email-grid version 3\n"
    assert (await line.run("placements", "rollback", "email-grid"))[0] == "email-grid version 2\n"
    told_of = await line.json("placements", "versions", "email-grid")
    assert [one["version"] for one in told_of["versions"] if one["published"]] == [2]
    assert {one["who"] for one in told_of["audit"]} == {"command line", "morsel"}
    assert (await line.run("placements", "delete", "email-grid"))[0] == "email-grid is no longer published\n"
    assert "email-grid" not in [one["name"] for one in await line.json("placements", "list")]


async def test_every_mistake_is_one_line(line: Line, tmp_path: Path) -> None:
    empty, broken = tmp_path / "empty.json", tmp_path / "broken.json"
    empty.write_text("{}")
    broken.write_text("{")
    named = tmp_path / "named.json"
    named.write_text((await line.run("templates", "show", "grid"))[0])
    for words, says in (
        (("placements", "publish", "Email Spring", empty), "error: 'Email Spring' cannot name a placement"),
        (("templates", "publish", "a b", empty), "a-b would do"),
        (("placements", "publish", "new", broken), "is not JSON"),
        (("templates", "publish", "new", empty), "html: Field required"),
        (("placements", "delete", "home-popular"), "cannot be deleted"),
        (("placements", "show", "none"), "There is no placement named 'none'"),
        (("placements", "preview", "none"), "There is no placement named 'none'"),
        (("placements", "rollback", "email-grid"), "No version"),
        (("templates", "publish", "mine", named), "to publish a copy, take `name` and `version` out of it"),
    ):
        _, told = await line.run(*words, status=1)
        assert says in told
        assert "Traceback" not in told
