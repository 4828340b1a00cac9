"""Templates as a kind of document."""

import re
from collections.abc import Mapping
from typing import Any

from app.content.liquid import BadTemplate
from app.content.templates import trial
from app.content.templates.checks import check
from app.content.templates.defaults import DEFAULTS
from app.content.templates.domain import from_document
from app.content.templates.schemas import TemplateIn
from app.data.segments.domain import NAME as SEGMENT
from app.data.segments.domain import of_people
from app.documents.kinds import Facts, Kind

_TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_QUOTED = re.compile(r""""([^"]*)"|'([^']*)'""")
_DEFAULTS = {name: TemplateIn.model_validate(body) for name, body in DEFAULTS.items()}


async def _trial(template: TemplateIn, facts: Facts | None) -> str | None:
    return await trial.fault(template.model_dump(), facts.samples() if facts is not None else ())


def naming(body: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return the segments and clusterings that a template names of its person; beside `person.segments` each text in quotes may be one."""
    try:
        parts = from_document("", 0, dict(body)).parts
    except BadTemplate:
        return set()
    found: set[tuple[str, str]] = set()
    for name, part in parts.items():
        if part.person is None:
            continue
        found |= of_people(part.person.facts.values())
        if part.person.segments:
            tags = _TAG.findall(f"{body[name]['frame']} {body[name]['card']}")
            found |= {(SEGMENT, one[1] or one[2]) for tag in tags for one in _QUOTED.finditer(tag)}
    return found


# where a placement's own template fails, the grid shows its items
KIND = Kind("template", TemplateIn, _DEFAULTS, check, lambda settings: {"grid"}, trial=_trial, naming=naming)
