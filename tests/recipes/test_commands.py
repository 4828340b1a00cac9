"""The commands on the recipe pages are commands that there are, with options that they have."""

import re
import shlex

import pytest
import typer.main

from app.cli import app
from tests.recipes.pages import RECIPES

COMMANDS = [(page.name, line) for page in sorted(RECIPES.glob("*.md")) for line in re.findall(r"^morsel (.+)$", page.read_text(), re.M)]


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_a_command_of_a_page_is_understood(page: str, line: str) -> None:
    command = typer.main.get_command(app)
    words = shlex.split(line)
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    with command.make_context(line, words) as context:
        assert context.params["placements"] == "email-grid,email-hero", page
        assert str(context.params["kind"].value) == "esp"


def test_every_page_says_how_to_make_a_key() -> None:
    assert {page for page, _ in COMMANDS} == {page.name for page in RECIPES.glob("*.md")}
