"""All segments of a shop with their sizes, and the list of facts with how each is spread over people, over HTTP."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query

from app.access.deps import PROTECTED, problems
from app.core import clock
from app.core.errors import Invalid, NotFound
from app.core.outage import or_unavailable
from app.core.resources import Db
from app.core.texts import STORABLE
from app.data.facts.domain import Fact, Subject
from app.data.facts.entries import Unknown, everything
from app.data.segments import distribution, judging, members
from app.data.segments.domain import Segment
from app.data.segments.programs import programs
from app.decisions.segments import schemas
from app.decisions.segments.api import Reader
from app.decisions.segments.kind import KIND, worth
from app.documents import service

router = APIRouter(prefix="/v1/admin", tags=["segments"], responses={**PROTECTED, **problems(503)})
_LATER = "Segments cannot be reached now; try again."
_TREND = timedelta(days=14)
_FACTS = everything()
_LIST = "A list of people."


@router.get("/segments", description="List the published segments with their sizes.")
async def listed(db: Db, caller: Reader) -> schemas.SegmentsOut:
    """List the segments."""
    now = clock.now()
    with or_unavailable(_LATER):
        found = await service.listed(db, KIND, caller.tenant)
        async with db.begin() as connection:
            program, _ = await programs(db).of(connection, caller.tenant)
        sizes = await members.sizes(db, caller.tenant, now - _TREND, now)
        people = await members.known(db, caller.tenant)
        judged = await judging.judged(db, caller.tenant)
    said = {one.name: one.condition.sentence for one in program.judged}
    rows = []
    for one in found:
        size, trend = sizes.get(one.number, (0, []))
        ready = judged.get(one.number) == one.version
        segment = Segment.model_validate(one.body)
        rows.append(
            schemas.ListOut(
                name=one.name, version=one.version, published=True, draft=False, segment=segment,
                sentence=said.get(one.name, _LIST if segment.when is None else ""), size=size, trend=trend, ready=ready,
                broken=program.broken.get(one.name), warning=worth(size, people) if ready else None,
            )
        )  # fmt: skip
    return schemas.SegmentsOut(segments=rows, people=people)


@router.get("/facts", description="List the facts that conditions, formulas and templates can name.")
async def facts(caller: Reader) -> schemas.FactsOut:
    """List the facts."""
    return schemas.FactsOut(facts=[fact_out(one) for one in _FACTS.by_name.values()])


@router.get(
    "/facts/{name}",
    responses=problems(404, 422),
    description="Tell of a fact what it says, of how many people it is known, and which values they have, from a sample of a large shop.",
)
async def spread(
    db: Db,
    caller: Reader,
    name: Annotated[str, Path(max_length=200, pattern=STORABLE)],
    key: Annotated[str, Query(max_length=500, pattern=STORABLE, description="What stands in brackets.")] = "",
    window: Annotated[str, Query(max_length=10, description="One of the fact's windows; empty for ever.")] = "",
) -> schemas.SpreadOut:
    """Tell how a fact is spread over people."""
    fact = _FACTS.by_name.get(name)
    if fact is None:
        raise NotFound(f"There is no fact {name!r}; `GET /v1/admin/facts` lists what there is.")
    if fact.subject is not Subject.PERSON:
        return _out(fact, key, window, distribution.Spread(0, 0, 0, {}, [], [], 0, []))
    try:
        with or_unavailable(_LATER):
            found = await distribution.spread(db, caller.tenant, name, key, window)
    except Unknown as error:
        field = "window" if window and window not in fact.windows else "key"
        raise Invalid(str(error), errors=[{"field": field, "message": str(error)}]) from error
    return _out(fact, key, window, found)


def _out(fact: Fact, key: str, window: str, found: distribution.Spread) -> schemas.SpreadOut:
    return schemas.SpreadOut(
        fact=fact_out(fact), key=key, window=window, people=found.people, sampled=found.sampled, known=found.known,
        quantiles={f"p{part * 100:g}": round(value, 4) for part, value in found.quantiles.items()},
        bins=[schemas.BinOut(**one._asdict()) for one in found.bins],
        values=[schemas.ValueOut(value=value, people=people) for value, people in found.values],
        others=found.others,
        keys=[schemas.ValueOut(value=value, people=people) for value, people in found.keys],
    )  # fmt: skip


def fact_out(fact: Fact) -> schemas.FactOut:
    """Return an entry of the list as it is told."""
    return schemas.FactOut(
        name=fact.name, type=fact.type, subject=fact.subject, unit=fact.unit, sentence=fact.sentence, source=fact.source, keys=fact.keys,
        windows=list(fact.windows), values=list(fact.values), motion=fact.motion, purpose=fact.purpose,
    )  # fmt: skip
