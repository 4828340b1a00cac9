"""Whom a send goes to that names a segment or a condition: told when it is announced, found when a pass over it begins."""

from collections.abc import Sequence

from app.core import clock
from app.core.db import Database, driver
from app.core.errors import Invalid
from app.data.conditions.syntax import Wrong
from app.data.facts import packed
from app.data.facts.domain import Seen
from app.data.facts.entries import everything
from app.data.profiles.state_codec import view_state
from app.data.segments import domain as segments
from app.data.segments import estimating, judging
from app.data.segments.domain import NAME as SEGMENT
from app.data.segments.programs import programs
from app.documents.kinds import nearest
from app.sends import store
from app.sends.domain import Send
from app.sends.schemas import NewSend

_AT_ONCE = 2_000
_OF_SEGMENT = f"""
select m.person_no from segment_member m
join person p on p.tenant = m.tenant and p.person_no = m.person_no and p.root_no = p.person_no and p.kind = {store.USER_ID}
where m.tenant = $1 and m.segment_no = $2
"""
_PAGE = f"""
select s.person_no, s.facts, s.state from person_state s
join person p on p.tenant = s.tenant and p.person_no = s.person_no and p.root_no = p.person_no and p.kind = {store.USER_ID}
where s.tenant = $1 and s.person_no > $2 and length(s.facts) > 0 order by s.person_no limit $3
"""
_OPEN = "select 1 from send where tenant = $1 and send_no = $2 and status in ('waiting', 'warming', 'warm') for update"
_FORGET = "delete from send_person where tenant = $1 and send_no = $2"
_KEEP = "insert into send_person (tenant, send_no, person_no) select $1, $2, unnest($3::bigint[])"


async def size(db: Database, tenant: int, wanted: NewSend) -> tuple[int, str]:
    """Return how many people a segment has, or about how many meet a condition, now, and the condition as text; raises Invalid."""
    if wanted.segment:
        async with db.begin() as connection:
            program, _ = await programs(db).of(connection, tenant)
            if (number := program.numbers.get(wanted.segment)) is None:
                raise _wrong("segment", f"there is no segment {wanted.segment}{nearest(wanted.segment, program.numbers)}")
            return int(await (await driver(connection)).fetchval(f"select count(*) from ({_OF_SEGMENT}) m", tenant, number)), ""
    try:
        condition, program = await estimating.read(db, tenant, wanted.when)
    except Wrong as error:
        raise _wrong("when", str(error)) from error
    for ref in condition.refs:
        if ref.name == "segment" and ref.key not in program.numbers:
            raise _wrong("when", f"there is no segment {ref.key}{nearest(ref.key, program.numbers)}")
    return (await estimating.estimate(db, tenant, condition)).size, condition.text


def _wrong(field: str, message: str) -> Invalid:
    return Invalid("The send cannot be announced.", errors=[{"field": field, "message": message}])


async def users(db: Database, tenant: int, table: str, name: str) -> list[str]:
    """Return the open sends whose audience names the document of a kind and name, in words."""
    found = []
    for send in await store.unfinished(db, tenant):
        named = {(SEGMENT, send.segment)} | segments.named([send.condition] if send.condition else (), everything(), segments.condition)
        if (table, name) in named:
            found.append(f"the send {send.send_no}{f' ({send.name})' if send.name else ''}")
    return found


async def settle(db: Database, send: Send) -> tuple[int, str]:
    """Let the audience of an open send be who it is now; return how many people these are, or why they cannot be told."""
    if send.everyone:
        return await store.count_everyone(db, send.tenant), ""
    if not send.segment and not send.condition:
        return send.audience, ""
    people, missing = await (_of_segment(db, send) if send.segment else _of_condition(db, send))
    if missing:
        return 0, missing
    async with db.begin() as connection:
        below = await driver(connection)
        if await below.fetchval(_OPEN, send.tenant, send.send_no):
            await below.execute(_FORGET, send.tenant, send.send_no)
            await below.execute(_KEEP, send.tenant, send.send_no, people)
    return len(people), ""


async def _of_segment(db: Database, send: Send) -> tuple[Sequence[int], str]:
    async with db.begin() as connection:
        program, _ = await programs(db).of(connection, send.tenant)
    number = program.numbers.get(send.segment)
    if number is None:
        return (), f"there is no segment {send.segment}"
    if not await judging.is_ready(db, send.tenant, number, program.versions[number]):
        return (), f"the people of the segment {send.segment} are being found"
    async with db.begin() as connection:
        return [row[0] for row in await (await driver(connection)).fetch(_OF_SEGMENT, send.tenant, number)], ""


async def _of_condition(db: Database, send: Send) -> tuple[Sequence[int], str]:
    try:
        wanted, _ = await estimating.read(db, send.tenant, send.condition)
    except Wrong as error:
        return (), f"the condition cannot be read: {error}"
    found: list[int] = []
    after = -1
    while True:
        async with db.begin() as connection:
            _, edges = await programs(db).of(connection, send.tenant)
            rows = await (await driver(connection)).fetch(_PAGE, send.tenant, after, _AT_ONCE)
        now = clock.now().timestamp()
        for person, value, state in rows:
            facts, view = packed.read(value), view_state(state)
            if facts is None or (view is not None and view.consent is False):
                continue
            if wanted.test(Seen(person=facts, now=now, edges=edges)):
                found.append(person)
        if len(rows) < _AT_ONCE:
            return found, ""
        after = rows[-1][0]
