"""Which models are live, as a part of the picture that servers answer from; the models themselves are files beside it."""

from typing import Any, NamedTuple

from app.core.db import Database
from app.core.parts import Part
from app.ml.registry import service


class Chosen(NamedTuple):
    """The live model of a recommender; `mark` tells which manifest was registered, empty where an earlier release kept none."""

    model_no: int
    version: str
    mark: str = ""


async def _read(db: Database, tenant: int) -> list[Any]:
    return [[one.recommender, one.model_no, one.version, one.mark] for one in (await service.live(db, tenant)).values()]


def _load(rows: Any) -> dict[str, Chosen]:
    return {recommender: Chosen(*chosen) for recommender, *chosen in rows or ()}


async def _read_name(db: Database, tenant: int) -> str:
    return await service.tenant_name(db, tenant)


PART = Part("models", ("models",), _read, _load)
# their files lie under the name of the tenant
TENANT = Part("tenant", ("models",), _read_name, lambda name: str(name or ""))
