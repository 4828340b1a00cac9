"""Finds people: by any id, by its beginning, or those last seen; each page reads a bounded piece of an index."""

import binascii
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from app.core.db import Database, driver
from app.core.errors import BadRequest
from app.core.ids import IdentityKind, person_key, short, unshort
from app.data.identity.domain import email_identity
from app.data.people.schemas import FoundPeople, FoundPerson
from app.data.profiles.codec import unpack_profile

# The newest events are read backwards in pieces, as many pieces as a page may take.
_PIECE, _PIECES = 5_000, 4
_HIGHEST = (1 << 63) - 1
_FAR = datetime(9999, 1, 1, tzinfo=UTC)
# The last character there is: what begins with a text lies below it.
_LAST = "\U0010ffff"
# People of a piece of the log, each at the newest event, without those who are on an earlier page: they have a newer event.
_NEWEST = """
with piece as materialized (
    select person_no, received_at, event_no, occurred_at from event
    where tenant = $1 and received_at <= $2 and (received_at, event_no) < ($2, $3) order by received_at desc, event_no desc limit $5
), newest as (
    select distinct on (p.root_no) p.root_no, piece.received_at, piece.event_no, piece.occurred_at
    from piece join person p on p.tenant = $1 and p.person_no = piece.person_no
    where piece.person_no > 2 order by p.root_no, piece.received_at desc, piece.event_no desc
), page as (
    select * from newest n where not ($2 < '9999-01-01' and exists (
        select from person m join event e on e.tenant = $1 and e.person_no = m.person_no
        where m.tenant = $1 and m.root_no = n.root_no and e.received_at >= $2 and (e.received_at, e.event_no) >= ($2, $3)
    )) order by received_at desc, event_no desc limit $4
)
select root_no, received_at, event_no, occurred_at, (select count(*) from piece), (select min(received_at) from piece),
    (select event_no from piece order by received_at, event_no limit 1)
from (select true) one left join page on true
"""
_EXACT = """
select p.root_no from person_identity i join person p on p.tenant = i.tenant and p.person_no = i.person_no
where i.tenant = $1 and i.key = any($2::bytea[])
"""
_PREFIX = """
select p.root_no, i.value, i.key from (
    select value, key, person_no from person_identity
    where tenant = $1 and value collate "C" >= $2 and value collate "C" < $3 and (value collate "C", key) > ($4, $5)
    order by value collate "C", key limit $6
) i join person p on p.tenant = $1 and p.person_no = i.person_no order by i.value collate "C", i.key
"""
_SHOWN = """
select distinct on (r.root_no) r.root_no, i.kind, i.value, count(*) over (partition by r.root_no), p.consent, s.profile
from unnest($2::bigint[]) r(root_no)
join person p on p.tenant = $1 and p.person_no = r.root_no
join person m on m.tenant = $1 and m.root_no = r.root_no
join person_identity i on i.tenant = $1 and i.person_no = m.person_no
left join person_state s on s.tenant = $1 and s.person_no = r.root_no
order by r.root_no, i.kind, m.person_no <> m.root_no, i.created_at, i.value
"""


async def find(db: Database, tenant: int, q: str, limit: int, before: str = "") -> FoundPeople:
    """Return a page of people: those last seen, or those of an id; raises BadRequest for a cursor that is none of ours."""
    cursor = _opened(before)
    async with db.begin() as connection:
        below = await driver(connection)
        if q.strip():
            roots, after = await _by_id(below, tenant, q.strip(), limit, cursor)
            seen: dict[int, datetime] = {}
        else:
            seen, after = await _last_seen(below, tenant, limit, cursor)
            roots = list(seen)
        rows = {row[0]: row for row in await below.fetch(_SHOWN, tenant, roots)}
    return FoundPeople(people=[_shown(rows[root], seen.get(root)) for root in roots if root in rows], next=after)


async def _last_seen(below: Any, tenant: int, limit: int, cursor: list[Any]) -> tuple[dict[int, datetime], str | None]:
    try:
        at, number = (datetime.fromisoformat(cursor[0]), int(cursor[1])) if cursor else (_FAR, _HIGHEST)
    except (IndexError, TypeError, ValueError):
        raise _bad() from None
    found: dict[int, datetime] = {}
    for _ in range(_PIECES):
        rows = await below.fetch(_NEWEST, tenant, at, number, limit - len(found), _PIECE)
        fresh = [row for row in rows if row[0] is not None]
        found |= {row[0]: row[3] for row in fresh if row[0] not in found}
        if len(found) >= limit:
            return found, _closed([fresh[-1][1].isoformat(), fresh[-1][2]])
        if rows[0][4] < _PIECE:
            return found, None
        at, number = rows[0][5], rows[0][6]
    return found, _closed([at.isoformat(), number])


async def _by_id(below: Any, tenant: int, q: str, limit: int, cursor: list[Any]) -> tuple[list[int], str | None]:
    roots: list[int] = []
    if not cursor:
        roots = [row[0] for row in await below.fetch(_EXACT, tenant, _keys(tenant, q))]
    try:
        after = (str(cursor[0]), unshort(str(cursor[1]))) if cursor else ("", b"")
    except (IndexError, ValueError, binascii.Error):
        raise _bad() from None
    rows = await below.fetch(_PREFIX, tenant, q, q + _LAST, *after, limit + 1)
    page = rows[:limit]
    return list(dict.fromkeys([*roots, *(row[0] for row in page)])), (
        _closed([page[-1][1], short(page[-1][2])]) if len(rows) > limit else None
    )


def _keys(tenant: int, q: str) -> list[bytes]:
    """Return the keys of all ids that a text may be."""
    named = [(int(kind), q.lower() if kind is IdentityKind.EMAIL_SHA256 else q) for kind in IdentityKind]
    address = email_identity(q)
    return [person_key(tenant, *one) for one in (*named, *([address] if address else []))]


def _shown(row: Sequence[Any], at: datetime | None) -> FoundPerson:
    _, kind, value, ids, consent, packed = row
    profile = unpack_profile(packed) if packed else None
    seen = datetime.fromtimestamp(profile.last_seen, UTC) if profile and profile.last_seen else at
    return FoundPerson(
        user_id=value if kind == IdentityKind.USER_ID else None, kind=IdentityKind(kind).name.lower(), value=value, ids=ids,
        last_seen=seen, personalisation=None if consent is None else bool(consent),
    )  # fmt: skip


def _closed(cursor: list[Any]) -> str:
    return short(orjson.dumps(cursor))


def _opened(text: str) -> list[Any]:
    if not text:
        return []
    try:
        found = orjson.loads(unshort(text))
    except (ValueError, binascii.Error):
        raise _bad() from None
    if not isinstance(found, list):
        raise _bad()
    return found


def _bad() -> BadRequest:
    return BadRequest("`before` must be the `next` of a page before.")
