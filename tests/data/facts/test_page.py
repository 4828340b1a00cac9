"""The page of facts says what the list says."""

from pathlib import Path

from app.commands.audience.facts import tables
from app.data.facts.entries import everything


def test_the_page_of_facts_holds_the_list() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "facts.md").read_text()
    assert tables(everything().by_name.values()) in page, "write it anew: `morsel facts list --markdown`"
