"""Templates as a part of the picture that servers answer from; the built-in ones stand below those of the shop."""

from typing import Any

from app.content.liquid import BadTemplate
from app.content.templates import service
from app.content.templates.defaults import DEFAULTS
from app.content.templates.domain import Template, from_document
from app.core.db import Database
from app.core.logging import log
from app.core.parts import Part


async def _read(db: Database, tenant: int) -> list[Any]:
    return [[one.name, one.version, one.body] for one in await service.listed(db, tenant)]


def _load(rows: Any) -> dict[str, Template]:
    """Load templates; one that cannot be compiled is left out and logged."""
    found = {name: from_document(name, 0, body) for name, body in DEFAULTS.items()}
    for name, version, body in rows or ():
        try:
            found[name] = from_document(name, version, body)
        except BadTemplate as error:
            log.error("template.unusable", template=name, version=version, error=str(error))
    return found


PART = Part("templates", ("content",), _read, _load)
