"""What one person got: every answer, newest first, with where it came from, why, and what became of it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query

from app.access.deps import PROTECTED, problems, require
from app.access.domain import Principal, Scope
from app.core.db import Database, driver
from app.core.errors import BadRequest, NotFound
from app.core.ids import person_key, short, unshort
from app.core.outage import or_unavailable
from app.core.paths import IdRoute
from app.core.resources import Configured, Db
from app.data.identity import watched
from app.data.identity.domain import LONGEST_ID, Identity, identity_of
from app.data.kinds import Signal
from app.operations.schemas import Became, PersonAnswer, PersonAnswers, ShownItem
from app.serving.model.outcome import REASONS
from app.serving.path.rungs.order import numbered

router = APIRouter(prefix="/v1/admin/people", tags=["people"], responses={**PROTECTED, **problems(400, 404, 503)}, route_class=IdRoute)
Reader = Annotated[Principal, Depends(require(Scope.PROFILES))]
By = Annotated[Literal["user_id", "anonymous_id", "email_sha256"], Query(description="What the id in the path is.")]
Before = Annotated[str, Query(max_length=100, pattern=r"^[A-Za-z0-9_.:-]*$", description="Where the page before ended: its `next`.")]
_FAR = datetime(9999, 1, 1, tzinfo=UTC)
_LAST = b"\xff" * 16
_MEMBERS = """
select m.person_no from person_identity i join person p on p.tenant = i.tenant and p.person_no = i.person_no
join person m on m.tenant = p.tenant and m.root_no = p.root_no where i.tenant = $1 and i.key = $2
"""
# A page of each id's own answers, from the index by person, then the newest of these.
_SERVES = """
select s.*, coalesce(p.name, ''), coalesce(c.name, ''), coalesce(m.recommender, ''), coalesce(m.version, '')
from (
    select s.* from unnest($2::bigint[]) member(person_no) cross join lateral (
        select served_at, recommendation_id, placement_no, client_no, rung, reason, model_no, placement_version, send_id, items, latency_us
        from serve where tenant = $1 and person_no = member.person_no and served_at <= $3 and (served_at, recommendation_id) < ($3, $4)
        order by served_at desc, recommendation_id desc limit $5
    ) s order by served_at desc, recommendation_id desc limit $5
) s
left join placement p on p.tenant = $1 and p.placement_no = s.placement_no
left join client c on c.tenant = $1 and c.client_no = s.client_no
left join model m on m.tenant = $1 and m.model_no = s.model_no
order by s.served_at desc, s.recommendation_id desc
"""
_ITEMS = """
select item_no, item_id, title, coalesce(document ->> 'image_link', '') from item where tenant = $1 and item_no = any($2::int[])
"""
_BECAME = f"""
select e.recommendation_id, e.signal, e.mark is not null, i.item_id, count(*), max(e.occurred_at) from event e
left join item i on i.tenant = e.tenant and i.item_no = e.item_no
where e.tenant = $1 and e.recommendation_id = any($2::bytea[])
    and e.signal in ({int(Signal.IMPRESSION)}, {int(Signal.OPEN)}, {int(Signal.CLICK)})
group by 1, 2, 3, 4 order by 6
"""
_ORDERS = """
select a.recommendation_id, i.item_id, 1, a.ordered_at, a.value from attribution a
left join item i on i.tenant = a.tenant and i.item_no = a.item_no
where a.tenant = $1 and a.person_no = any($2::bigint[]) and a.recommendation_id = any($3::bytea[]) order by 4
"""


@router.get("/{user_id:id}/answers")
async def get_answers(
    db: Db, settings: Configured, caller: Reader, user_id: Annotated[str, Path(min_length=1, max_length=LONGEST_ID)], by: By = "user_id",
    before: Before = "", limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> PersonAnswers:  # fmt: skip
    """List every answer that a person got, newest first: where, from which rung, why, which items, and what became of them."""
    identity = identity_of(user_id, by)
    with or_unavailable("Answers cannot be read now; try again."):
        await watched.read(db, settings, caller.tenant, caller.who, identity, "answers")
        found = await answers(db, caller.tenant, identity, before, limit)
    if found is None:
        raise NotFound("Nobody is known under this id.")
    return found


async def answers(db: Database, tenant: int, identity: Identity, before: str, limit: int) -> PersonAnswers | None:
    """Return a page of the answers of all ids of a person; None for an id that nobody knows. Raises BadRequest for a strange cursor."""
    at, last = _cursor(before)
    async with db.begin() as connection:
        below = await driver(connection)
        members = [row[0] for row in await below.fetch(_MEMBERS, tenant, person_key(tenant, *identity))]
        if not members:
            return None
        rows = await below.fetch(_SERVES, tenant, members, at, last, limit + 1)
        page = rows[:limit]
        ids = [row[1] for row in page]
        items = {row[0]: row for row in await below.fetch(_ITEMS, tenant, list({item for row in page for item in row[9]}))}
        became = await below.fetch(_BECAME, tenant, ids)
        orders = await below.fetch(_ORDERS, tenant, members, ids)
    told: dict[bytes, list[Became]] = {}
    for row in became:
        told.setdefault(row[0], []).append(
            Became(what=Signal(row[1]).name.lower(), machine=row[2], item_id=row[3], count=row[4], last_at=row[5], value=None)
        )
    for row in orders:
        told.setdefault(row[0], []).append(Became(what="order", machine=False, item_id=row[1], count=row[2], last_at=row[3], value=row[4]))
    return PersonAnswers(
        answers=[_answer(row, items, told.get(row[1], [])) for row in page],
        next=f"{page[-1][0].isoformat().replace('+00:00', 'Z')}_{short(page[-1][1])}" if len(rows) > limit else None,
    )


def _answer(row: Sequence[Any], items: dict[int, Any], became: list[Became]) -> PersonAnswer:
    at, identity, _, _, rung, reason, _, version, send, shown, latency, placement, client, recommender, model = row
    known = numbered(rung)
    return PersonAnswer(
        served_at=at, recommendation_id=short(identity), placement=placement, placement_version=version, client=client,
        # numbers that a newer release wrote
        rung=known.name if known else f"rung {rung}", fallback=known is None or known.fallback,
        reason=str(REASONS[reason]) if reason < len(REASONS) else f"reason {reason}",
        recommender=recommender, model_version=model, send_id=send or "", latency_ms=latency / 1000,
        items=[ShownItem(item_id=items[one][1], title=items[one][2], image=items[one][3]) for one in shown if one in items],
        became=became,
    )  # fmt: skip


def _cursor(before: str) -> tuple[datetime, bytes]:
    if not before:
        return _FAR, _LAST
    at, _, identity = before.partition("_")
    try:
        moment, last = datetime.fromisoformat(at), unshort(identity)
    except ValueError:
        raise BadRequest("`before` must be the `next` of a page before.") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)), last
