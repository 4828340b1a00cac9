"""What a dry run tells: answers as they are beside answers with the draft, counted."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from pydantic import BaseModel, Field

from app.serving.dry_run.told import Run, Told, ended, nobody, whom

MOST_ITEMS = 10


class Answer(NamedTuple):
    """What of one answer counts: the indexes of its items, how many were wanted, its rung, whether the model chose for the person,
    whether the draft acted, and, where items are missing or rules were left alone, the rules that narrowed it.
    """

    items: tuple[int, ...]
    wanted: int
    rung: str
    personal: bool
    acted: bool = False
    emptied: tuple[str, ...] = ()
    short: bool = False


class Tried(NamedTuple):
    """One person in one placement."""

    person: int
    placement: str
    before: Answer
    after: Answer


class Side(BaseModel):
    """One side of the comparison: places to fill, those that are filled, answers by rung (`source`), and how many a model chose."""

    places: int
    filled: int
    rungs: dict[str, int]
    personal: int


class Short(BaseModel):
    """Answers that the draft leaves short, by the rules that narrow them: how many answers, and how many places are missing in them."""

    rules: list[str]
    answers: int
    places: int


class Placed(BaseModel):
    """One placement: `places` that were to fill, answers with other items, in another order alone, and those in which the draft acted."""

    placement: str
    answers: int
    places: int
    published: Side
    draft: Side
    changed: int
    reordered: int
    acted: int
    short: list[Short]


class Moved(BaseModel):
    """An item, and in how many of the answers it stands."""

    item_id: str
    title: str
    published: int
    draft: int
    change: int


class Report(Told):
    """What a draft would change: how many answers have other items (`changed`, `changed_people` by person), or the same in another order.

    `changed_share` is the mean share of other items in the answers that change.
    """

    places: int
    published: Side
    draft: Side
    changed: int
    changed_people: int
    reordered_people: int
    changed_share: float
    acted: int = Field(description="Answers in which the draft of a rule acted; of a placement: all.")
    short: list[Short]
    placements: list[Placed]
    winners: list[Moved]
    losers: list[Moved]


def report(run: Run, named: Callable[[int], tuple[str, str]]) -> Report:
    """Count what was tried; `named` gives the id and title of an item by its index."""
    tried: Sequence[Tried] = run.tried
    changed = [one for one in tried if set(one.before.items) != set(one.after.items)]
    people = {one.person for one in changed}
    reordered = {one.person for one in tried if one.before.items != one.after.items} - people
    by_placement: dict[str, list[Tried]] = {}
    for one in tried:
        by_placement.setdefault(one.placement, []).append(one)
    winners, losers = _moved(tried, named)
    share = sum(_share(one.before, one.after) for one in changed) / len(changed) if changed else 0.0
    found = Report(
        **run.told(len(tried)), places=sum(one.after.wanted for one in tried), published=_side(one.before for one in tried),
        draft=_side(one.after for one in tried), changed=len(changed), changed_people=len(people), reordered_people=len(reordered),
        changed_share=round(share, 4), acted=sum(one.after.acted for one in tried), short=_short(one.after for one in tried),
        placements=[_placed(name, some) for name, some in by_placement.items()], winners=winners, losers=losers,
    )  # fmt: skip
    return found.model_copy(update={"sentence": sentence(found)})


def sentence(found: Report) -> str:
    """Say a report in words."""
    if not found.answers:
        return nobody(found)
    parts = [whom(found, len(found.placements))]
    if found.kind == "rule" and not found.acted:
        parts.append("The rule acted in no answer.")
    by = found.replayed is None
    count, all_of, none = (found.changed_people, found.people, "Nobody") if by else (found.changed, found.answers, "No answer")
    if count:
        parts.append(
            f"{count:,} of {all_of:,}{'' if by else ' answers'} would {'see' if by else 'show'} other items: "
            f"{found.changed_share:.0%} of each answer that changes is new."
        )
    else:
        parts.append(f"{none} would {'see' if by else 'show'} other items.")
    if reordered := found.reordered_people if by else sum(one.reordered for one in found.placements):
        parts.append(f"{reordered:,} would {'see' if by else 'show'} the same in another order.")
    before, after = found.published.filled, found.draft.filled
    was = f" of {found.published.places:,}" if found.published.places != found.places else ""
    if after < found.places or before != after:
        parts.append(f"{after:,} of {found.places:,} places would be filled; now it is {before:,}{was}.")
    else:
        parts.append("All places stay filled.")
    return " ".join([*parts, *ended(found)])


def _share(before: Answer, after: Answer) -> float:
    """Return the share of an answer that is other than before."""
    longer = max(len(before.items), len(after.items))
    return 1 - len(set(before.items) & set(after.items)) / longer


def _side(answers: Iterable[Answer]) -> Side:
    all_of = list(answers)
    rungs = Counter(one.rung for one in all_of)
    return Side(
        places=sum(one.wanted for one in all_of),
        filled=sum(len(one.items) for one in all_of),
        rungs=dict(rungs.most_common()),
        personal=sum(one.personal for one in all_of),
    )


def _short(answers: Iterable[Answer]) -> list[Short]:
    counts: Counter[tuple[str, ...]] = Counter()
    places: Counter[tuple[str, ...]] = Counter()
    for one in answers:
        if one.short:
            counts[one.emptied] += 1
            places[one.emptied] += one.wanted - len(one.items)
    return [Short(rules=list(rules), answers=count, places=places[rules]) for rules, count in counts.most_common()]


def _placed(name: str, tried: Sequence[Tried]) -> Placed:
    changed = [one for one in tried if set(one.before.items) != set(one.after.items)]
    moved = [one for one in tried if one.before.items != one.after.items]
    return Placed(
        placement=name, answers=len(tried), places=sum(one.after.wanted for one in tried),
        published=_side(one.before for one in tried), draft=_side(one.after for one in tried), changed=len(changed),
        reordered=len(moved) - len(changed), acted=sum(one.after.acted for one in tried), short=_short(one.after for one in tried),
    )  # fmt: skip


def _moved(tried: Sequence[Tried], named: Callable[[int], tuple[str, str]]) -> tuple[list[Moved], list[Moved]]:
    """Return the items that come into most answers, and those that go out of most."""
    before = Counter(item for one in tried for item in one.before.items)
    after = Counter(item for one in tried for item in one.after.items)
    change = {item: after[item] - before[item] for item in before.keys() | after.keys()}

    def told(items: Iterable[int]) -> list[Moved]:
        found = []
        for item in list(items)[:MOST_ITEMS]:
            item_id, title = named(item)
            found.append(Moved(item_id=item_id, title=title, published=before[item], draft=after[item], change=change[item]))
        return found

    order = sorted(change, key=lambda item: (-change[item], item))
    return told(item for item in order if change[item] > 0), told(item for item in reversed(order) if change[item] < 0)
