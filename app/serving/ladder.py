"""The ladder: live model, last good list, segment, popular, fixed. The first rung that can answer before the deadline does."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from app.core.settings import Settings
from app.data.people.online import StateView
from app.decisions.placements.domain import Filter, Placement
from app.ml.contract import History
from app.serving import candidates as lists
from app.serving.candidates import Candidates
from app.serving.domain import Outcome, Pick
from app.serving.lookup import Lookup
from app.serving.person import history_of, history_of_anchor, known_rows
from app.serving.scoring import ModelFault, Overloaded, Scorer
from app.serving.snapshot.catalogue import Ints
from app.serving.snapshot.snapshot import LiveModel, Snapshot

_MARGIN_S = 0.01
NONE = np.zeros(0, np.int64)


@dataclass(slots=True)
class Ask:
    """What the ladder is asked: who, where, what may be shown, and until when (loop time).

    `banned` group indexes that must not be shown, `anchor` group numbers of the page or cart, `bought` group numbers the person
    bought, `reason` why the person's own rungs are closed (empty when they are open), `cached` the list Redis held, `key`
    where it lies.
    """

    snapshot: Snapshot
    placement: Placement
    wanted: Filter
    limit: int
    until: float
    state: StateView | None
    reason: str
    anchor: Ints = field(default_factory=lambda: NONE)
    banned: frozenset[int] = frozenset()
    bought: frozenset[int] = frozenset()
    key: str = ""
    cached: Candidates | None = None
    trail: list[dict[str, Any]] = field(default_factory=list)

    @property
    def anchored(self) -> bool:
        """Tell whether the items of the page alone decide, so that no person is needed."""
        return self.placement.anchor == "item" and len(self.anchor) > 0

    def told(self, rung: str, result: str) -> None:
        """Note what came of a rung, for `explain`."""
        self.trail.append({"rung": rung, "result": result})


class Ladder:
    """Walks the rungs for one request at a time; holds what the rungs need."""

    def __init__(self, scorer: Scorer, lookup: Lookup, settings: Settings) -> None:
        self._scorer = scorer
        self._lookup = lookup
        self._settings = settings
        self._behind: set[asyncio.Task[None]] = set()

    async def climb(self, ask: Ask) -> Outcome:
        """Return the outcome of the first rung that gives items, filled up from the rungs below."""
        outcome = await self._scored(ask)
        if outcome is not None and len(outcome.picks) >= ask.limit:
            outcome.trail = ask.trail
            return outcome
        filled = fill(ask, outcome.picks if outcome else [])
        if outcome is None or not outcome.picks:
            reason = "too_few_items" if outcome is not None else ask.reason
            rung = filled[1] if filled[0] else "fixed"
            return Outcome(rung, reason, filled[0], trail=ask.trail)
        outcome.picks, outcome.trail = filled[0], ask.trail
        outcome.reason = outcome.reason or "too_few_items"
        return outcome

    async def _scored(self, ask: Ask) -> Outcome | None:
        """Return what the model's rungs give, or None with the reason left in `ask`."""
        if (ask.reason and not ask.anchored) or ask.reason in ("rate_limited", "overload") or not ask.placement.recommender:
            ask.told("live", ask.reason or "the placement names no recommender")
            return None
        model = ask.snapshot.models.get(ask.placement.recommender)
        if model is None:
            ask.reason = "model_missing"
            return self._from_list(ask, None, "stale")
        # a current list was made from a history the model knew, so it need not be looked at
        if is_current(ask, model) and ask.placement.least_confidence == 0 and (kept := self._current(ask, model)):
            return kept
        history = known_history(ask, model)
        if not len(history.row) or model.loaded.confidence(history) < ask.placement.least_confidence:
            ask.reason = "low_confidence"
            ask.told("live", "too little is known")
            return None
        ask.reason = ""
        if ask.placement.least_confidence and is_current(ask, model) and (kept := self._current(ask, model)):
            return kept
        return await self._live(ask, model, history)

    def _current(self, ask: Ask, model: LiveModel) -> Outcome | None:
        """Return the answer from a current list, if it gives enough."""
        outcome = self._from_list(ask, model, "cached")
        return outcome if outcome is not None and len(outcome.picks) >= ask.limit else None

    async def _live(self, ask: Ask, model: LiveModel, history: History) -> Outcome | None:
        try:
            scored = await self._score(ask, model, history, ask.until - _MARGIN_S)
        except TimeoutError:
            ask.reason = "deadline"
            self._later(ask, model, history)
        except Overloaded:
            ask.reason = "overload"
        except ModelFault:
            ask.reason = "model_error"
        else:
            picks = choose(ask, scored.groups, scored.scores, "goes_with" if ask.anchored else "for_you")
            ask.told("live", f"{len(picks)} items")
            return Outcome("live", "", picks, model.model_no, model.loaded.recommender, model.loaded.version)
        ask.told("live", ask.reason)
        return self._from_list(ask, model, "stale")

    async def _score(self, ask: Ask, model: LiveModel, history: History, until: float) -> Candidates:
        """Score with the mask and the exclusions in the graph, and leave the list in Redis behind the answer."""
        catalogue = ask.snapshot.catalogue
        exclude = known_rows(model, ask.anchor) if len(ask.anchor) else NONE
        if ask.wanted.exclude_bought and ask.state is not None and ask.state.bought_count:
            exclude = np.concatenate([exclude, known_rows(model, ask.state.bought)])
        k = max(self._settings.candidates, ask.limit) + len(ask.banned)
        groups, scores = await self._scorer.top(model, catalogue, history, exclude, ask.wanted, k, until)
        seq = 0 if ask.anchored or ask.state is None else ask.state.seq
        numbers = catalogue.group_no[groups]
        if ask.key:
            packed = lists.pack(model.model_no, seq, numbers, scores)
            self._lookup.write("SET", ask.key, packed, "EX", self._settings.candidates_ttl_s)
        return Candidates(model.model_no, seq, numbers.tolist(), scores.tolist())

    def _later(self, ask: Ask, model: LiveModel, history: History) -> None:
        """Score behind the answer, so that the next one finds a list."""
        if not ask.key or len(self._behind) >= 32:
            return
        task = asyncio.get_running_loop().create_task(self._quietly(ask, model, history))
        self._behind.add(task)
        task.add_done_callback(self._behind.discard)

    async def _quietly(self, ask: Ask, model: LiveModel, history: History) -> None:
        try:
            await self._score(ask, model, history, asyncio.get_running_loop().time() + 5)
        except (TimeoutError, Overloaded, ModelFault):
            ask.told("behind", "not scored")

    def _from_list(self, ask: Ask, model: LiveModel | None, rung: str) -> Outcome | None:
        if ask.cached is None:
            return None
        picks = choose(ask, ask.cached.groups, ask.cached.scores, "goes_with" if ask.anchored else "for_you")
        ask.told(rung, f"{len(picks)} items")
        version = model.loaded.version if model is not None and ask.cached.model_no == model.model_no else ""
        reason = "" if rung == "cached" else ask.reason
        return Outcome(rung, reason, picks, ask.cached.model_no, ask.placement.recommender, version) if picks else None


def is_current(ask: Ask, model: LiveModel) -> bool:
    """Tell whether the cached list comes from the live model and the person's present history."""
    seq = 0 if ask.anchored or ask.state is None else ask.state.seq
    return ask.cached is not None and ask.cached.model_no == model.model_no and ask.cached.seq == seq


def known_history(ask: Ask, model: LiveModel) -> History:
    """Return what the model knows of the history that this answer rests on: the page's items, or the person's own."""
    if ask.anchored or ask.state is None:
        return history_of_anchor(ask.anchor, model)
    return history_of(ask.state, model)


def choose(ask: Ask, group_nos: Iterable[int], scores: Iterable[float], reason: str, taken: frozenset[int] = frozenset()) -> list[Pick]:
    """Return the first items of a scored list that may be shown now, at most one a group, none of the groups taken already."""
    catalogue, out = ask.snapshot.catalogue, ask.banned | taken if taken else ask.banned
    place_of, first_of = catalogue.place_of, catalogue.passing(ask.wanted).first_of
    room, without_bought, own, bought = ask.limit - len(taken), ask.wanted.exclude_bought, reason == "for_you", ask.bought
    picks: list[Pick] = []
    for number, score in zip(group_nos, scores, strict=True):
        if len(picks) >= room:
            break
        group = place_of.get(number, -1)
        item = first_of[group]
        if item < 0 or group in out or (without_bought and number in bought):
            continue
        picks.append(Pick(item, score, "bought_before" if own and number in bought else reason))
    return picks


def fill(ask: Ask, picks: list[Pick]) -> tuple[list[Pick], str]:
    """Fill up from segment, popular and fixed; return the picks and the name of the rung that gave the first new one."""
    catalogue = ask.snapshot.catalogue
    rung = ""
    for segment, name, why in segments(ask):
        if len(picks) >= ask.limit:
            break
        taken = frozenset(int(catalogue.group[pick.index]) for pick in picks)
        listed = ask.snapshot.popular(segment, ask.wanted)
        listed = listed[: ask.limit + len(taken) + len(ask.banned) + len(ask.bought)]
        scores = [1.0 / (1 + place) for place in range(len(listed))]
        more = choose(ask, catalogue.group_no[listed].tolist(), scores, why, taken)
        ask.told(name, f"{len(more)} items from {segment or 'all'}")
        rung = rung or (name if more else "")
        picks = picks + more
    if not picks:
        picks = fixed(ask)
        rung = "fixed"
    return picks, rung


def segments(ask: Ask) -> list[tuple[str, str, str]]:
    """Return the popular lists to try: the category used most, else the country, then all."""
    catalogue = ask.snapshot.catalogue
    found: list[tuple[str, str, str]] = []
    groups, weight, country = ask.anchor, np.ones(len(ask.anchor)), ""
    if not len(groups) and ask.state is not None:
        whole = ask.state.whole()
        if whole is not None:
            groups, weight = whole.groups.astype(np.int64), whole.kinds.astype(np.float64)
            country = whole.country
    index = catalogue.group_index(groups)
    if (index >= 0).any() and ask.placement.recommender:
        codes = np.array([catalogue.code["category"][catalogue.items_of(group)[0]] for group in index[index >= 0]])
        word = catalogue.words["category"][int(np.bincount(codes, weight[index >= 0]).argmax())]
        if f"category:{word}" in ask.snapshot.config.popular:
            found.append((f"category:{word}", "segment", "popular_in_category"))
    if not found and country and ask.placement.recommender and f"country:{country}" in ask.snapshot.config.popular:
        found.append((f"country:{country}", "segment", "popular_in_country"))
    return [*found, ("", "popular", "popular")]


def fixed(ask: Ask) -> list[Pick]:
    """Return the placement's fixed items that can be shown."""
    catalogue = ask.snapshot.catalogue
    indexes = [catalogue.index_of[item] for item in ask.placement.fixed.items if item in catalogue.index_of]
    shown = [index for index in indexes if catalogue.available[index] and int(catalogue.group[index]) not in ask.banned]
    return [Pick(index, 0.0, "fixed") for index in shown[: ask.limit]]
