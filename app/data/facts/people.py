"""What is known of a person, as entries of the list of facts."""

# long: one list, entry below entry

from collections.abc import Callable, Sequence
from typing import Any

from app.data.facts.domain import Fact, Fall, Motion, Read, Ref, Type, Value
from app.data.facts.packed import BRAND, CATEGORY, PersonFacts, word_number
from app.data.kinds import Kind, Signal
from app.data.profiles.buckets import WINDOWS
from app.data.profiles.codec import ACTIVE_DAY, ORDER, SIGNALS, VISIT

DAY = 86_400
_WINDOWS = tuple(WINDOWS)
_PERSONAL = "personalisation"
# What is counted, by the word people use: (number in profiles, what one of them is, the word of the last one).
COUNTED: dict[str, tuple[int, str, str]] = {
    "views": (Kind.VIEW, "view of an item", "view"),
    "clicks": (Kind.CLICK, "click on an item", "click"),
    "impressions": (Kind.IMPRESSION, "item seen in a list", "impression"),
    "pages": (Kind.PAGE, "page view", "page"),
    "wishes": (Kind.WISHLIST, "item put on the wish list", "wish"),
    "cart_adds": (Kind.CART, "item put into the cart", "cart_add"),
    "cart_removes": (Kind.CART_REMOVE, "item taken out of the cart", "cart_remove"),
    "ratings": (Kind.RATING, "good rating", "rating"),
    "low_ratings": (Kind.LOW_RATING, "low rating", "low_rating"),
    "purchases": (Kind.PURCHASE, "item bought", "purchase"),
    "returns": (Kind.RETURN, "return", "return"),
    "cancellations": (Kind.ORDER_CANCEL, "cancelled order", "cancellation"),
    "orders": (ORDER, "order", "order"),
    "visits": (VISIT, "visit", "visit"),
    "active_days": (ACTIVE_DAY, "day on which the person did something", "active_day"),
    "sends": (SIGNALS + Signal.SENT, "letter sent", "send"),
    "deliveries": (SIGNALS + Signal.DELIVERED, "letter delivered", "delivery"),
    "bounces": (SIGNALS + Signal.BOUNCE, "letter that bounced", "bounce"),
    "complaints": (SIGNALS + Signal.COMPLAINT, "complaint about a letter", "complaint"),
    "unsubscribes": (SIGNALS + Signal.UNSUBSCRIBE, "unsubscription", "unsubscribe"),
    "opens": (SIGNALS + Signal.OPEN, "letter opened, machines apart", "open"),
    "mail_clicks": (SIGNALS + Signal.CLICK, "click in a letter, machines apart", "mail_click"),
}
_BY_FACET = ("views", "clicks", "cart_adds", "purchases", "wishes")
_SORTS = {"category": CATEGORY, "brand": BRAND}


def _of(read: Callable[[PersonFacts, Any], Value]) -> Read:
    """Return what reads from the person of a view, and knows nothing of nobody."""

    def found(view: Any) -> Value:
        person = view.person
        return None if person is None or not person.known else read(person, view)

    return found


def _moments(read: Callable[[PersonFacts, float], Sequence[float]]) -> Callable[[Any], Sequence[float]]:
    return lambda view: () if view.person is None or not view.person.known else read(view.person, view.now)


def _counting(kind: int) -> Callable[[Ref], Read]:
    def reading(ref: Ref) -> Read:
        if not ref.window:
            return _of(lambda person, view: float(person.total(kind)))
        seconds = WINDOWS[ref.window]
        return _of(lambda person, view: float(person.count(kind, seconds, view.now)))

    return reading


def _falling(kind: int) -> Callable[[Ref], Callable[[Any], Sequence[float]]]:
    def future(ref: Ref) -> Callable[[Any], Sequence[float]]:
        if not ref.window:
            return lambda view: ()
        seconds = WINDOWS[ref.window]
        return _moments(lambda person, now: person.leaving(kind, seconds, now))

    return future


def _never(view: Any, value: float, to: bool) -> None:
    """Tell that what counts ever never falls."""


def _fall(read: Callable[[PersonFacts, float, bool], float | None]) -> Fall:
    return lambda view, value, to: None if view.person is None or not view.person.known else read(view.person, value, to)


def _count_falls(kind: int) -> Callable[[Ref], Fall]:
    def falls(ref: Ref) -> Fall:
        if not ref.window:
            return _never
        seconds = WINDOWS[ref.window]
        return _fall(lambda person, value, to: person.falls(kind, seconds, value, to))

    return falls


def _counts() -> list[Fact]:
    return [
        Fact(
            name, Type.NUMBER, f"How many times: {what}.", f"{name.replace('_', ' ')}{{window}}",
            _counting(int(kind)), source="events", windows=_WINDOWS, motion=Motion.STEPS, future=_falling(int(kind)),
            falls=_count_falls(int(kind)), purpose=_PERSONAL,
        )
        for name, (kind, what, _) in COUNTED.items()
    ]  # fmt: skip


def _facet_counts() -> list[Fact]:
    found = []
    for sort, number in _SORTS.items():
        for name in _BY_FACET:
            kind = int(COUNTED[name][0])
            found.append(
                Fact(
                    f"{name}.{sort}", Type.NUMBER,
                    f"The same as {name}, of items of one {sort}" + (", or of one below it" if sort == "category" else "") + ".",
                    f"{name.replace('_', ' ')} of {{key}}{{window}}", _facet_reading(number, kind), source="events", keys=sort,
                    key_needed=True, windows=_WINDOWS, motion=Motion.STEPS, future=_facet_future(number, kind),
                    falls=_facet_falls(number, kind), purpose=_PERSONAL,
                )
            )  # fmt: skip
    return found


def _facet_reading(sort: int, kind: int) -> Callable[[Ref], Read]:
    def reading(ref: Ref) -> Read:
        number, seconds = word_number(ref.key), WINDOWS[ref.window] if ref.window else None
        return _of(lambda person, view: float(person.facet_count(sort, number, kind, seconds, view.now)))

    return reading


def _facet_future(sort: int, kind: int) -> Callable[[Ref], Callable[[Any], Sequence[float]]]:
    def future(ref: Ref) -> Callable[[Any], Sequence[float]]:
        if not ref.window:
            return lambda view: ()
        number, seconds = word_number(ref.key), WINDOWS[ref.window]
        return _moments(lambda person, now: person.facet_leaves(sort, number, kind, seconds, now))

    return future


def _facet_falls(sort: int, kind: int) -> Callable[[Ref], Fall]:
    def falls(ref: Ref) -> Fall:
        if not ref.window:
            return _never
        number, seconds = word_number(ref.key), WINDOWS[ref.window]
        return _fall(lambda person, value, to: person.facet_falls(sort, number, kind, seconds, value, to))

    return falls


def _since(kind: int) -> Callable[[Ref], Read]:
    def read(person: PersonFacts, view: Any) -> Value:
        at = person.lasts.get(kind)
        return None if at is None else (view.now - at) / DAY

    return lambda ref: _of(read)


def _sinces() -> list[Fact]:
    found = [
        Fact(
            f"days_since.{word}", Type.NUMBER, f"Days since the last: {what}. Unknown where there was none.",
            f"days since the last {word.replace('_', ' ')}", _since(int(kind)), unit="days", source="events", motion=Motion.STEADY,
            purpose=_PERSONAL,
        )
        for kind, what, word in COUNTED.values()
        if word not in ("active_day", "visit")
    ]  # fmt: skip
    seen = _of(lambda person, view: (view.now - person.last_seen) / DAY if person.last_seen else None)
    first = _of(lambda person, view: (view.now - person.more["f"]) / DAY if "f" in person.more else None)
    return [
        *found,
        Fact(
            "days_since.seen", Type.NUMBER, "Days since the person did anything.", "days since the person was seen", lambda ref: seen,
            unit="days", source="events", motion=Motion.STEADY, purpose=_PERSONAL,
        ),
        Fact(
            "days_since.first", Type.NUMBER, "Days since the first event of the person.", "days since the first event", lambda ref: first,
            unit="days", source="events", motion=Motion.STEADY, purpose=_PERSONAL,
        ),
    ]  # fmt: skip


def _spent(ref: Ref) -> Read:
    if not ref.window:
        return _of(lambda person, view: person.paid)
    seconds = WINDOWS[ref.window]
    return _of(lambda person, view: person.spent(seconds, view.now))


def _spending(ref: Ref) -> Callable[[Any], Sequence[float]]:
    if not ref.window:
        return lambda view: ()
    seconds = WINDOWS[ref.window]
    return _moments(lambda person, now: person.spending_leaves(seconds, now))


def _spending_falls(ref: Ref) -> Fall:
    if not ref.window:
        return _never
    seconds = WINDOWS[ref.window]
    return _fall(lambda person, value, to: person.spending_falls(seconds, value, to))


def _average_order(person: PersonFacts, view: Any) -> Value:
    orders = person.total(ORDER)
    return person.paid / orders if orders else None


_SENT, _DELIVERED = SIGNALS + Signal.SENT, SIGNALS + Signal.DELIVERED


def _rate(kind: int) -> Callable[[Ref], Read]:
    """Return what reads responses over letters: over those delivered where that is told, else over those sent; unknown where none was."""

    def reading(ref: Ref) -> Read:
        seconds = WINDOWS.get(ref.window)

        def read(person: PersonFacts, view: Any) -> Value:
            def many(one: int) -> int:
                return person.total(one) if seconds is None else person.count(one, seconds, view.now)

            letters = many(_DELIVERED) or many(_SENT)
            return min(1.0, many(kind) / letters) if letters else None

        return _of(read)

    return reading


def _rate_future(kind: int) -> Callable[[Ref], Callable[[Any], Sequence[float]]]:
    def future(ref: Ref) -> Callable[[Any], Sequence[float]]:
        if not ref.window:
            return lambda view: ()
        seconds = WINDOWS[ref.window]
        kinds = (kind, _SENT, _DELIVERED)
        return _moments(lambda person, now: sorted({at for one in kinds for at in person.leaving(one, seconds, now)}))

    return future


def _visit(place: int) -> Callable[[Ref], Read]:
    return lambda ref: _of(lambda person, view: person.numbers[place] if person.total(VISIT) else None)


def _cart_age(person: PersonFacts, view: Any) -> Value:
    return (view.now - max(added for _, added, _ in person.cart)) / 3600 if person.cart else None


def _affinity(sort: int) -> Callable[[Ref], Read]:
    def reading(ref: Ref) -> Read:
        key = (sort, word_number(ref.key))
        return _of(lambda person, view: person.facets[key].share if key in person.facets else 0.0)

    return reading


_BANDS = ("low", "middle", "high")


def _band(ref: Ref) -> Read:
    place = _BANDS.index(ref.key) + 1
    return _of(lambda person, view: person.numbers[place] if any(person.numbers[1:4]) else None)


def _number(name: str, type_: Type, sentence: str, words: str, read: Callable[[PersonFacts, Any], Value], **more: Any) -> Fact:
    found = _of(read)
    return Fact(name, type_, sentence, words, lambda ref: found, source="events", purpose=_PERSONAL, **more)


# long: entry below entry
def entries() -> list[Fact]:
    """Return all entries that come from what a person did."""
    opens, clicks = SIGNALS + Signal.OPEN, SIGNALS + Signal.CLICK
    return [
        *_counts(),
        *_facet_counts(),
        *_sinces(),
        Fact(
            "spent", Type.NUMBER, "What orders came to; without a window: all of them. Returned and cancelled ones are taken back.",
            "money spent{window}", _spent, unit="currency units", source="events", windows=_WINDOWS, motion=Motion.STEPS, future=_spending,
            falls=_spending_falls,
            purpose=_PERSONAL,
        ),
        _number("average_order", Type.NUMBER, "What an order came to on average.", "the average order", _average_order,
                unit="currency units"),
        Fact("open_rate", Type.NUMBER, "Letters opened over letters delivered (else sent), at most 1; unknown where none was sent.",
             "the share of letters opened{window}", _rate(opens), source="events", windows=_WINDOWS, motion=Motion.STEPS,
             future=_rate_future(opens), purpose=_PERSONAL),
        Fact("click_rate", Type.NUMBER, "Clicks in letters over letters delivered (else sent), at most 1; unknown where none was sent.",
             "the share of letters clicked{window}", _rate(clicks), source="events", windows=_WINDOWS, motion=Motion.STEPS,
             future=_rate_future(clicks), purpose=_PERSONAL),
        Fact("visit.seconds", Type.NUMBER, "How long the latest visits lasted on average.", "the average length of visits",
             _visit(4), unit="seconds", source="events", purpose=_PERSONAL),
        Fact("visit.pages", Type.NUMBER, "Pages a visit, over the latest ones.", "pages a visit",
             _visit(5), source="events", purpose=_PERSONAL),
        Fact("visit.items", Type.NUMBER, "Different items a visit, over the latest ones.", "items a visit",
             _visit(6), source="events", purpose=_PERSONAL),
        _number("cart.items", Type.NUMBER, "Pieces in the cart.", "pieces in the cart",
                lambda person, view: float(sum(one[2] for one in person.cart))),
        _number("cart.value", Type.NUMBER, "What lies in the cart, by the prices when something last happened.", "the value of the cart",
                lambda person, view: round(person.numbers[0], 2), unit="currency units"),
        _number("cart.age_hours", Type.NUMBER, "Hours since something was put into the cart; unknown when it is empty.",
                "hours since the cart was filled", _cart_age, unit="hours", motion=Motion.STEADY),
        *(
            Fact(f"affinity.{sort}", Type.NUMBER,
                 f"Share of a {sort} in what the person did, 0 to 1; an act counts half after 30 days, a purchase most.",
                 "the liking for {key}", _affinity(number), source="events", keys=sort, key_needed=True, purpose=_PERSONAL)
            for sort, number in _SORTS.items()
        ),
        Fact("affinity.price_band", Type.NUMBER, "Share of the cheapest, middle or dearest third of the shop in what the person did.",
             "the liking for {key} prices", _band, source="events", keys="band", key_needed=True, values=_BANDS, purpose=_PERSONAL),
    ]  # fmt: skip
