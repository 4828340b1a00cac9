"""Documentation is part of the product: what is not described fails here."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from app.cli import app as cli
from app.core.errors import CODES
from app.core.settings import Settings
from app.main import create_app
from app.serving.model.outcome import ITEM_REASONS, REASONS
from app.serving.path.rungs.order import RUNGS

DOCS = Path(__file__).resolve().parents[2] / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text()


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_is_described(name: str) -> None:
    assert f"`MORSEL_{name.upper()}`" in page("settings.md")


def test_no_setting_is_described_that_does_not_exist() -> None:
    described = set(re.findall(r"^\| `MORSEL_([A-Z0-9_]+)`", page("settings.md"), re.M))
    assert described == {name.upper() for name in Settings.model_fields}


def test_every_route_is_described() -> None:
    paths = create_app().openapi()["paths"]
    text = page("http.md")
    missing = [
        f"{method.upper()} {path}" for path, methods in paths.items() for method in methods if f"`{method.upper()} {path}`" not in text
    ]
    assert missing == []


def test_every_error_code_is_described() -> None:
    described = set(re.findall(r"^\| `([a-z_]+)`", page("errors.md"), re.M))
    assert described == set(CODES)


def test_every_rung_and_reason_is_described() -> None:
    text = page("concepts.md")
    missing = [word for word in (*(rung.name for rung in RUNGS), *filter(None, REASONS), *ITEM_REASONS) if f"`{word}`" not in text]
    assert missing == []


def commands() -> list[str]:
    group = typer.main.get_command(cli)
    names = []
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        below = getattr(command, "commands", None)
        names += [f"morsel {name} {sub}" for sub in below] if below else [f"morsel {name}"]
    return names


@pytest.mark.parametrize("command", commands())
def test_every_command_is_described(command: str) -> None:
    assert f"`{command}" in page("cli.md")


def test_every_link_between_pages_leads_somewhere() -> None:
    broken = []
    for path in [*DOCS.rglob("*.md"), DOCS.parent / "README.md"]:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text()):
            if "://" not in target and not (path.parent / target).exists():
                broken.append(f"{path.name}: {target}")
    assert broken == []


def test_help_of_the_command_line_works() -> None:
    done = subprocess.run([sys.executable, "-m", "app.cli", "--help"], cwd=DOCS.parent, capture_output=True, text=True)
    assert done.returncode == 0
    assert "serve" in done.stdout
