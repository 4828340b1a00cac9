"""`morsel clients`: what was misspelt is told, and nothing is left behind by a command that failed."""

from tests.commands.conftest import Line


async def test_a_misspelt_scope_or_kind_is_told_with_what_there_is(line: Line) -> None:
    _, told = await line.run("clients", "create", "--name", "b", "--scopes", "recomend", status=2)
    assert "there is no scope recomend; did you mean recommend?" in " ".join(told.replace("│", " ").split())
    _, told = await line.run("clients", "create", "--name", "b", "--placements", "Email Grid", status=1)
    assert told.startswith("error: placements.0: String should match pattern")
    assert "our side" not in told


async def test_a_client_whose_key_is_refused_is_not_kept(line: Line) -> None:
    _, told = await line.run("clients", "create", "--name", "b", "--key", "url", status=1)
    assert told == "error: A url key is bound to placements: name at least one.\n"
    assert "b" not in [one["name"] for one in (await line.json("clients", "list"))["clients"]]


async def test_a_credential_for_a_placement_that_nobody_published_is_made_with_a_warning(line: Line) -> None:
    out, told = await line.run("clients", "create", "--name", "b", "--key", "url", "--placements", "email-gird")
    assert '"key": "mk_url_' in out
    assert told == "warning: there is no placement email-gird yet; did you mean email-grid?\n"
    made = await line.json("clients", "create", "--name", "c", "--placements", "email-grid,email-hero")
    _, told = await line.run("clients", "create-key", made["client_id"], "--kind", "url", "--placements", "email-hero")
    assert told == ""
