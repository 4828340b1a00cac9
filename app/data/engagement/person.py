"""Whether people answer to letters. Who was never mailed has nothing to answer: that is not silence."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from app.core.db import Database
from app.data.kinds import Signal

State = Literal["never_mailed", "waiting", "active", "silent"]
_MAIL = (Signal.SENT, Signal.DELIVERED)
_RESPONSES = (Signal.OPEN, Signal.CLICK)
# A click on an answer that names no campaign may be one on a page; all others are answers to letters.
_LETTERS = f"""
select e.signal, e.occurred_at, coalesce(e.campaign, '') from person one
join person p on p.tenant = one.tenant and p.root_no = one.root_no
join event e on e.tenant = p.tenant and e.person_no = p.person_no
where one.tenant = :tenant and one.person_no = :person and e.mark is null and e.signal <> {int(Signal.IMPRESSION)}
    and (e.signal <> {int(Signal.CLICK)} or e.campaign is not null or e.recommendation_id is null)
order by e.occurred_at
"""


@dataclass(frozen=True)
class Letters:
    """What became of the letters to a person."""

    state: State
    mailed: int
    first_mailed_at: datetime | None
    last_mailed_at: datetime | None
    last_response_at: datetime | None
    unsubscribed: bool


def engagement(signals: Sequence[tuple[int, datetime, str]], now: datetime, silent_days: int) -> Letters:
    """Return what signals (number, moment, campaign; no machine's) say of a person.

    `active`: answered within the days. `silent`: no answer for so long to a letter, or more, that came since the last answer.
    `waiting`: mailed, but not for so long, or not since the last answer. `never_mailed`: nothing is known to have
    reached them: a letter that bounced did not.
    """
    mails = sorted((at, campaign) for signal, at, campaign in signals if signal in _MAIL)
    responses = sorted(at for signal, at, _ in signals if signal in _RESPONSES)
    bounced = {campaign for signal, _, campaign in signals if signal == Signal.BOUNCE and campaign}
    reached = [(at, campaign) for at, campaign in mails if campaign not in bounced]
    last_response = responses[-1] if responses else None
    long_ago = now - timedelta(days=silent_days)
    unanswered = [at for at, _ in reached if last_response is None or at > last_response]
    state: State
    if not reached and last_response is None:
        state = "never_mailed"
    elif last_response is not None and last_response > long_ago:
        state = "active"
    else:
        state = "silent" if unanswered and unanswered[0] <= long_ago else "waiting"
    told = Counter(signal for signal, _, _ in signals)
    return Letters(
        state,
        max(told[Signal.SENT], told[Signal.DELIVERED]),
        mails[0][0] if mails else None,
        mails[-1][0] if mails else None,
        last_response,
        bool(told[Signal.UNSUBSCRIBE] or told[Signal.COMPLAINT]),
    )


async def of_person(db: Database, tenant: int, person_no: int, now: datetime, silent_days: int) -> Letters:
    """Return the engagement of a person, from the signals of all their ids."""
    rows = await db.rows(_LETTERS, tenant=tenant, person=person_no)
    return engagement([(row[0], row[1], row[2]) for row in rows], now, silent_days)
