"""Templates as a kind of document."""

from app.content.templates import trial
from app.content.templates.checks import check
from app.content.templates.defaults import DEFAULTS
from app.content.templates.schemas import TemplateIn
from app.documents.kinds import Facts, Kind

_DEFAULTS = {name: TemplateIn.model_validate(body) for name, body in DEFAULTS.items()}


async def _trial(template: TemplateIn, facts: Facts | None) -> str | None:
    return await trial.fault(template.model_dump(), facts.samples() if facts is not None else ())


# where a placement's own template fails, the grid shows its items
KIND = Kind("template", TemplateIn, _DEFAULTS, check, lambda settings: {"grid"}, used="template", trial=_trial)
