"""Placements as a kind of document."""

from app.decisions.placements.checks import check
from app.decisions.placements.defaults import DEFAULTS
from app.decisions.placements.domain import Placement
from app.documents.kinds import Kind

KIND = Kind("placement", Placement, DEFAULTS, check, lambda settings: {settings.default_placement})
