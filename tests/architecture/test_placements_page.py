"""The page of placements and templates has every field and every variable, in the words of the models."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import BaseModel

from app.content.templates.checks import CARD, FRAME, ITEM, PERSON
from app.content.templates.schemas import Part, TemplateIn
from app.decisions.placements.defaults import DEFAULTS
from app.decisions.placements.domain import BlockPart, Filter, Fixed, Placement

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "placements.md").read_text()


def default(value: Any) -> str:
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    return "{}" if isinstance(value, BaseModel) else orjson.dumps(plain).decode()


def rows(model: type[BaseModel]) -> list[str]:
    made = []
    for name, field in model.model_fields.items():
        given = "" if field.is_required() else f"`{default(field.default)}`"
        made.append(f"| `{name}` | {given} | {field.description} |")
    return made


@pytest.mark.parametrize("model", [Placement, BlockPart, Filter, Fixed, TemplateIn, Part])
def test_every_field_stands_on_the_page_as_the_model_says_it(model: type[BaseModel]) -> None:
    assert all(field.description for field in model.model_fields.values())
    assert [row for row in rows(model) if row not in PAGE] == []


@pytest.mark.parametrize(
    "known",
    [FRAME, {f"item.{name}": about for name, about in ITEM.items()}, CARD, {f"person.{name}": about for name, about in PERSON.items()}],
)
def test_every_variable_stands_on_the_page(known: dict[str, str]) -> None:
    assert [name for name, about in known.items() if f"| `{name}` | {about} |" not in PAGE] == []


def test_the_examples_on_the_page_can_be_published() -> None:
    examples = [block.split("```")[0] for block in PAGE.split("```json\n")[1:]]
    assert len(examples) >= 2
    for example in examples:
        Placement.model_validate_json(example)
    assert all(f"`{name}`" in PAGE for name in DEFAULTS)
