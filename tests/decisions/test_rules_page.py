"""The page of rules has every field, action and fact of items, in the words of the program."""

from pathlib import Path

import orjson

from app.data.facts import item
from app.decisions.rules.domain import NEEDS, Rule
from app.decisions.rules.plan import Plan

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "rules.md").read_text()


def test_every_field_of_a_rule_stands_on_the_page_as_the_model_says_it() -> None:
    missing = []
    for name, field in Rule.model_fields.items():
        given = "" if field.is_required() else f"`{orjson.dumps(field.default).decode()}`"
        if f"| `{name}` | {given} | {field.description} |" not in PAGE:
            missing.append(name)
    assert missing == []


def test_every_action_is_described_and_acts() -> None:
    assert [word for word in NEEDS if f"\n| `{word}` |" not in PAGE] == []
    assert [word for word in NEEDS if not hasattr(Plan, f"_{word}")] == []
    assert set(NEEDS) == set(Rule.model_fields["action"].annotation.__args__)  # type: ignore[union-attr]


def test_every_fact_of_items_is_described() -> None:
    assert [one.name for one in item.entries() if one.sentence not in PAGE] == []
