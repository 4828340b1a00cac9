"""Rules as a kind of document."""

from app.decisions.rules.checks import check
from app.decisions.rules.domain import Rule
from app.documents.kinds import Kind

KIND = Kind("rule", Rule, {}, check, lambda settings: ())
