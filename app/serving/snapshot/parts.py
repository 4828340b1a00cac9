"""Every part of a snapshot beside the catalogue, each given by its room."""

from typing import Any

from app.content.templates import part as templates
from app.core.parts import Part
from app.decisions.placements import part as placements
from app.decisions.rules import part as rules
from app.ml.popularity import part as popular
from app.ml.registry import part as models

PARTS: tuple[Part[Any], ...] = (
    models.TENANT, placements.PART, placements.GROUPS, rules.PART, rules.KNOWN, templates.PART, popular.PART, models.PART,
)  # fmt: skip
