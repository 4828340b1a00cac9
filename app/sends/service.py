"""The door of sends: announce one, look at them, call one off."""

import asyncio
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from app.access import audit
from app.core.db import Database
from app.core.errors import Conflict, Invalid, NotFound
from app.core.ids import IdentityKind, person_key
from app.core.logging import log
from app.core.settings import Settings
from app.data.identity.domain import id_fault
from app.sends import preflight, store
from app.sends.domain import FURTHEST, OPEN, Send, Status, warm_in_s
from app.sends.preflight import Facts
from app.sends.preflight_inputs import gather
from app.sends.recipients import audience as audiences
from app.sends.schemas import Announced, FindingOut, ForecastOut, NewSend, Refused, SendDetail, SendList, SendOut, fields_of

_AT_ONCE = 10_000
_SHOWN = 20
_CLOCKS_DIFFER = timedelta(seconds=60)


class Given(NamedTuple):
    """One id of an audience: its place (or line), and the id or why it cannot be one."""

    place: int
    user_id: str
    fault: str


class Audience(NamedTuple):
    """What became of the ids that were given."""

    given: int
    unreadable: int
    duplicate: int
    people: int
    strangers: int
    refused: list[Refused]


def given(user_ids: Iterable[Any]) -> Iterator[Given]:
    """Read the ids of a request; numbers count as their digits, as they do in events."""
    for place, value in enumerate(user_ids, 1):
        if isinstance(value, bool) or not isinstance(value, str | int):
            yield Given(place, "", "is not a text")
            continue
        text = str(value).strip()
        yield Given(place, text, id_fault(text) or "")


async def announce(
    db: Database,
    settings: Settings,
    redis_url: str,
    tenant: int,
    wanted: NewSend,
    ids: Iterator[Given] | None = None,
    *,
    dry_run: bool = False,
    who: str = audit.ITSELF,
) -> Announced:
    """Keep a send and its audience in somebody's name, and say what is wrong with it; `dry_run` keeps nothing.

    `ids` stand for the request's own where there are too many for one. Raises Invalid.
    """
    now = datetime.now(UTC)
    start = _checked(wanted, now, ids is not None)
    written, found = "", wanted.everyone or bool(wanted.segment) or wanted.when is not None
    if found:
        people, written = (await store.count_everyone(db, tenant), "") if wanted.everyone else await audiences.size(db, tenant, wanted)
        audience = Audience(people, 0, 0, people, 0, [])
    async with db.begin() as connection:
        if not found:
            audience = await _match(connection, tenant, ids if ids is not None else given(wanted.user_ids or ()))
        send = Send(
            tenant, 0, wanted.name, wanted.placement, start, wanted.duration_s, wanted.everyone, Status.WAITING, "", now,
            audience.given, audience.duplicate, audience.unreadable, audience.people, audience.strangers,
            segment=wanted.segment, condition=written,
        )  # fmt: skip
        if not dry_run:
            send = replace(send, send_no=await store.add(connection, send))
            if not found:
                await store.add_people(connection, send)
            note = f"{wanted.placement}, {audience.people} people" + (f", {wanted.name}" if wanted.name else "")
            await audit.record(connection, tenant, who, "announce", "send", str(send.send_no), note=note)
            log.info("sends.announced", tenant=tenant, send=send.send_no, people=audience.people, placement=wanted.placement)
    return Announced(**fields_of(send), **await _looked_at(db, settings, redis_url, send), refused=audience.refused)


def _checked(wanted: NewSend, now: datetime, has_file: bool) -> datetime:
    """Return the start of a send that can be announced; raises Invalid."""
    try:
        start = (wanted.start or now).astimezone(UTC)
        over = start + timedelta(seconds=wanted.duration_s) <= now
    except OverflowError:
        raise Invalid("The send starts before the year 1 or ends after 9999.") from None
    errors = []
    ways = (wanted.everyone, has_file or wanted.user_ids is not None, bool(wanted.segment), wanted.when is not None)
    if sum(ways) != 1:
        errors.append({"field": "user_ids", "message": "Give either user ids or everyone, or one segment or condition."})
    if over:
        errors.append({"field": "start", "message": "The send would be over already."})
    if start > now + FURTHEST + _CLOCKS_DIFFER:
        errors.append({"field": "start", "message": f"A send can be announced {FURTHEST.days} days ahead."})
    if errors:
        raise Invalid("The send cannot be announced.", errors=errors)
    return start


async def _match(connection: AsyncConnection, tenant: int, ids: Iterator[Given]) -> Audience:
    """Bring the ids to PostgreSQL as keys, some thousand at a time, and find out whom they name."""
    await store.begin_audience(connection)
    count, unreadable = 0, 0
    refused: list[Refused] = []
    while part := await asyncio.to_thread(_read, tenant, ids):
        count += len(part)
        bad = [one for one in part if isinstance(one, Refused)]
        unreadable += len(bad)
        refused += bad[: _SHOWN - len(refused)]
        await store.add_keys(connection, [one for one in part if isinstance(one, bytes)])
    found = await store.match_keys(connection, tenant)
    strangers = found.distinct - found.matched
    people = found.people + strangers
    return Audience(count, unreadable, count - unreadable - people, people, strangers, refused)


def _read(tenant: int, ids: Iterator[Given]) -> Sequence[bytes | Refused]:
    kind = int(IdentityKind.USER_ID)
    return [
        Refused(place=one.place, reason=one.fault) if one.fault else person_key(tenant, kind, one.user_id)
        for one in itertools.islice(ids, _AT_ONCE)
    ]


async def listed(db: Database, tenant: int, limit: int = 100, before: int | None = None, q: str = "") -> SendList:
    """Return the newest sends below a number, with a text in their name or placement."""
    found = await store.sends(db, tenant, limit + 1, before, q)
    return SendList(sends=[SendOut.of(send) for send in found[:limit]], next=found[limit - 1].send_no if len(found) > limit else None)


async def shown(db: Database, settings: Settings, redis_url: str, tenant: int, send_no: int) -> SendDetail:
    """Return a send with its forecast and findings of now; raises NotFound."""
    send = await _known(db, tenant, send_no)
    return SendDetail(**fields_of(send), **await _looked_at(db, settings, redis_url, send))


async def cancel(db: Database, tenant: int, send_no: int, who: str = audit.ITSELF) -> SendOut:
    """Call a send off; lists that lie in Redis expire there. Raises NotFound, and Conflict once it is over."""
    if await store.close(db, tenant, send_no, Status.CANCELLED, who=who):
        log.info("sends.cancelled", tenant=tenant, send=send_no)
    send = await _known(db, tenant, send_no)
    if send.status is Status.OVER:
        raise Conflict("The send is over.")
    return SendOut.of(send)


async def _known(db: Database, tenant: int, send_no: int) -> Send:
    send = await store.send(db, tenant, send_no)
    if send is None:
        raise NotFound(f"There is no send {send_no}.")
    return send


async def _looked_at(db: Database, settings: Settings, redis_url: str, send: Send) -> dict[str, Any]:
    if send.status not in OPEN:
        return {"forecast": None, "findings": []}
    facts = await gather(db, settings, redis_url, send)
    found = preflight.findings(send, facts, settings)
    return {
        "forecast": _forecast(send, facts, settings),
        "findings": [FindingOut(code=one.code, severity=one.severity, detail=one.detail) for one in found],
    }


def _forecast(send: Send, facts: Facts, settings: Settings) -> ForecastOut:
    load, measured = facts.load, facts.capacity
    return ForecastOut(
        requests=round(load.calls),
        mean_requests_per_s=round(load.mean_per_s, 2),
        peak_requests_per_s=round(load.peak_per_s, 2),
        other_sends_per_s=round(load.others_per_s, 2),
        capacity="not measured" if measured.per_s is None else "measured",
        capacity_requests_per_s=None if measured.per_s is None else round(measured.per_s, 1),
        cpu_us_per_request=None if measured.cpu_us is None else round(measured.cpu_us, 1),
        server_processes=round(measured.processes, 2),
        measured_at=measured.measured_at,
        fits=None if measured.per_s is None else load.total_per_s <= measured.per_s,
        prewarm_seconds=round(warm_in_s(send, facts.ahead, settings.prewarm_per_s), 1),
        memory_bytes=facts.memory_needed,
    )
