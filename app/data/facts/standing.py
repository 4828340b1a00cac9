"""Where a person stands: traits, consent, country, segments, RFM, stage of life, engagement, as entries of the list of facts."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from app.data.facts.domain import Fact, Fall, Motion, Read, Ref, Seen, Subject, Type, Value, told
from app.data.facts.packed import PersonFacts
from app.data.kinds import Kind, Signal
from app.data.profiles.codec import ORDER, SIGNALS

DAY = 86_400
PURPOSES = ("personalisation", "analytics", "email", "tracking", "sale")
STAGES = ("lead", "new_customer", "customer", "loyal", "at_risk", "dormant")
_LEAD_DAYS, _NEW_DAYS, _RISK_DAYS, _DORMANT_DAYS, _LOYAL_ORDERS = 30, 30, 90, 180, 3
_PERSONAL = "personalisation"
# What acts of the last 7 days count for the engagement score; those of the 23 days before count half.
_POINTS = {
    int(Kind.VIEW): 1.0, int(Kind.CLICK): 1.0, int(Kind.CART): 4.0, ORDER: 10.0, SIGNALS + Signal.OPEN: 1.0, SIGNALS + Signal.CLICK: 3.0,
}  # fmt: skip
_HALF_POINTS = 20.0
_AFTER = 0.001


class Edges(NamedTuple):
    """Where parts of a shop end, ascending. Quintiles of its customers, four each: days since the last order, number of orders, money
    spent; thirds of its items by price, two.
    """

    recency: tuple[float, ...] = (30.0, 90.0, 180.0, 365.0)
    frequency: tuple[float, ...] = (1.0, 2.0, 3.0, 5.0)
    monetary: tuple[float, ...] = (25.0, 75.0, 200.0, 500.0)
    price: tuple[float, ...] = (20.0, 60.0)


def _person(read: Callable[[PersonFacts, Any], Value]) -> Read:
    return lambda view: None if view.person is None else read(view.person, view)


def _trait(ref: Ref) -> Read:
    key = ref.key
    return _person(lambda person, view: told(person.more.get("t", {}).get(key)))


def _consent(ref: Ref) -> Read:
    key = ref.key
    return _person(lambda person, view: told(person.more.get("c", {}).get(key)))


def _tier(person: PersonFacts, view: Any) -> Value:
    traits = person.more.get("t", {})
    return told(traits.get("loyalty_tier", traits.get("tier")))


def _prediction(ref: Ref) -> Read:
    key = ref.key
    return _person(lambda person, view: told(person.more.get("p", {}).get(key)))


def _cluster(ref: Ref) -> Read:
    key = ref.key
    return _person(lambda person, view: told(person.more.get("k", {}).get(key)))


def recency(person: PersonFacts, view: Any) -> float | None:
    """Return the quintile of the days since the last order, 5 for the latest; None without an order."""
    at = person.lasts.get(ORDER)
    return None if at is None else 5.0 - bisect_left(_edges(view).recency, (view.now - at) / DAY)


def frequency(person: PersonFacts, view: Any) -> float | None:
    """Return the quintile of the number of orders, 5 for the most; None without an order."""
    orders = person.total(ORDER)
    return 1.0 + bisect_left(_edges(view).frequency, orders) if orders else None


def monetary(person: PersonFacts, view: Any) -> float | None:
    """Return the quintile of the money spent, 5 for the most; None without an order."""
    return 1.0 + bisect_left(_edges(view).monetary, person.paid) if person.total(ORDER) else None


def _cell(person: PersonFacts, view: Any) -> Value:
    found = [read(person, view) for read in (recency, frequency, monetary)]
    return "".join(str(int(one)) for one in found if one is not None) or None


def _edges(view: Any) -> Edges:
    return view.edges or Edges()


def _ages(ref: Ref) -> Callable[[Any], Sequence[float]]:
    """Return the moments at which the quintile of the days since the last order falls."""

    def moments(view: Any) -> Sequence[float]:
        at = None if view.person is None else view.person.lasts.get(ORDER)
        if at is None:
            return ()
        return [moment for edge in _edges(view).recency if (moment := at + edge * DAY + _AFTER) > view.now]

    return moments


def stage(person: PersonFacts, view: Any) -> Value:
    """Return the stage of life: see `STAGES`; None for somebody who did nothing yet."""
    if not person.known or not person.last_seen:
        return None
    seen, orders = (view.now - person.last_seen) / DAY, person.total(ORDER)
    if not orders:
        return "lead" if seen <= _LEAD_DAYS else "dormant"
    if seen > _DORMANT_DAYS:
        return "dormant"
    if (view.now - person.lasts.get(ORDER, 0)) / DAY > _RISK_DAYS:
        return "at_risk"
    if view.now / DAY - person.first_order <= _NEW_DAYS:
        return "new_customer"
    return "loyal" if orders >= _LOYAL_ORDERS else "customer"


def _stages(ref: Ref) -> Callable[[Any], Sequence[float]]:
    def moments(view: Any) -> Sequence[float]:
        person = view.person
        if person is None or not person.known:
            return ()
        ends = (
            person.last_seen + _LEAD_DAYS * DAY, person.last_seen + _DORMANT_DAYS * DAY, person.lasts.get(ORDER, 0) + _RISK_DAYS * DAY,
            (person.first_order + _NEW_DAYS) * DAY,
        )  # fmt: skip
        return sorted({end + _AFTER for end in ends if end + _AFTER > view.now})

    return moments


def engagement(person: PersonFacts, view: Any) -> Value:
    """Return how much a person does, 0 to 100: points p of the last 30 days as 100 p / (p + 20)."""
    if not person.known:
        return None
    points = 0.0
    for kind, each in _POINTS.items():
        if kind not in person.lasts and kind != ORDER:
            continue
        newer = person.count(kind, 7 * DAY, view.now)
        points += each * (newer + person.count(kind, 30 * DAY, view.now)) / 2
    return round(100 * points / (points + _HALF_POINTS), 1)


def _engaging(ref: Ref) -> Callable[[Any], Sequence[float]]:
    def moments(view: Any) -> Sequence[float]:
        person = view.person
        if person is None or not person.known:
            return ()
        return sorted({at for kind in _POINTS for days in (7, 30) for at in person.leaving(kind, days * DAY, view.now)})

    return moments


def _engagement_falls(ref: Ref) -> Fall:
    """Return what tells when the score falls: it only does while nothing happens, so its moments are searched by halves."""
    moments = _engaging(ref)

    def falls(view: Any, value: float, to: bool) -> float | None:
        def above(at: float) -> bool:
            found = engagement(view.person, Seen(now=at))
            return isinstance(found, float) and (found > value or (found == value and not to))

        ahead = moments(view)
        if not ahead or not above(view.now) or above(ahead[-1]):
            return None
        low, high = 0, len(ahead) - 1
        while low < high:
            half = (low + high) // 2
            low, high = (half + 1, high) if above(ahead[half]) else (low, half)
        return ahead[low]

    return falls


def _entry(name: str, type_: Type, sentence: str, words: str, read: Callable[[PersonFacts, Any], Value], **more: Any) -> Fact:
    found = _person(read)
    return Fact(name, type_, sentence, words, lambda ref: found, **{"source": "events", "purpose": _PERSONAL, **more})


# long: entry below entry
def entries() -> list[Fact]:
    """Return the entries."""
    quintile = "1 to 5; five equal parts of the shop's customers, counted anew each day. Unknown without an order."
    return [
        Fact("trait", Type.ANY, "What was told of the person: by `identify`, a file or the API.", "the trait {key}", _trait,
             source="identify, files, API", keys="trait", key_needed=True, purpose=_PERSONAL),
        Fact("consent", Type.FLAG, "Whether the person allows a purpose, the default of their country where they said nothing.",
             "consent to {key}", _consent, source="consent", keys="purpose", key_needed=True, values=PURPOSES),
        _entry("country", Type.TEXT, "The country told last, as two letters.", "the person's country",
               lambda person, view: person.more.get("l"), source="identify"),
        _entry("loyalty.tier", Type.TEXT, "The trait `loyalty_tier`, else `tier`.", "the loyalty tier", _tier, source="traits"),
        Fact("prediction", Type.ANY, "What a model predicts of the person, by its name.", "the prediction {key}", _prediction,
             source="models", keys="prediction", key_needed=True, purpose=_PERSONAL),
        Fact("cluster", Type.NUMBER, "Which cluster of a clustering the person is in, by its number. Found anew each hour.",
             "the cluster in {key}", _cluster, source="clusters", keys="clustering", key_needed=True, purpose=_PERSONAL),
        _entry("rfm.recency", Type.NUMBER, f"How lately the person ordered, {quintile}", "the recency quintile", recency,
               motion=Motion.STEPS, future=_ages),
        _entry("rfm.frequency", Type.NUMBER, f"How often the person ordered, {quintile}", "the frequency quintile", frequency),
        _entry("rfm.monetary", Type.NUMBER, f"How much the person spent, {quintile}", "the money quintile", monetary),
        _entry("rfm.cell", Type.TEXT, "The three quintiles as one text, such as 545.", "the RFM cell", _cell,
               motion=Motion.STEPS, future=_ages),
        _entry("lifecycle", Type.TEXT, f"lead: seen within {_LEAD_DAYS} days and no order; new_customer: first order within "
               f"{_NEW_DAYS} days; loyal: {_LOYAL_ORDERS} orders or more; at_risk: no order for {_RISK_DAYS} days; dormant: not seen "
               f"for {_DORMANT_DAYS} days (a lead: {_LEAD_DAYS}); customer: all others who ordered.", "the stage of life", stage,
               values=STAGES, motion=Motion.STEPS, future=_stages),
        _entry("engagement", Type.NUMBER, "How much the person does, 0 to 100: points p of the last 30 days as 100 p / (p + 20). A view, "
               "click or open is one point, a click in a letter 3, a cart 4, an order 10; half of it when older than 7 days.",
               "the engagement score", engagement, motion=Motion.STEPS, future=_engaging, falls=_engagement_falls),
    ]  # fmt: skip


def segment_entry(numbers: Callable[[], Any]) -> Fact:
    """Return the entry of membership; `numbers` gives the number of each segment by its name."""

    def reading(ref: Ref) -> Read:
        key = ref.key

        def read(view: Any) -> Value:
            return None if view.person is None else numbers().get(key, -1) in view.person.segments

        return read

    return Fact(
        "segment", Type.FLAG, "Whether the person is in a segment.", "in the segment {key}", reading, subject=Subject.PERSON,
        source="segments", keys="segment", key_needed=True, purpose=_PERSONAL,
    )  # fmt: skip
