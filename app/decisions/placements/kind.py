"""Placements as a kind of document."""

from collections.abc import Mapping
from typing import Any

from app.data.segments.domain import NAME as SEGMENT
from app.data.segments.domain import named
from app.decisions.placements import conditions
from app.decisions.placements.checks import check
from app.decisions.placements.defaults import DEFAULTS
from app.decisions.placements.domain import Placement
from app.documents.kinds import Kind


def naming(body: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return the template of a placement, and the segments and clusterings that it and its filters name."""
    filters = [one.get("filter") or {} for one in (body, *body.get("parts", ()))]
    segments = {(SEGMENT, name) for name in body.get("segments", ())}
    template = {("template", str(body.get("template", "")))}
    return template | segments | named([one.get("where") for one in filters], conditions.facts_of(), conditions.read)


KIND = Kind("placement", Placement, DEFAULTS, check, lambda settings: {settings.default_placement}, naming=naming)
