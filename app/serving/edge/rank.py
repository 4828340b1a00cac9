"""`/v1/rank`: a caller's own items in the order that suits a person; items of one group share a score."""

import asyncio

import numpy as np
from numpy.typing import NDArray

from app.access.domain import Principal
from app.content.formats import JSON
from app.core import ids
from app.core.logging import log
from app.core.settings import Settings
from app.ml.contract import History
from app.serving.edge.parameters import parse
from app.serving.edge.schemas import Ranked, RankedItem, RankRequest
from app.serving.model.call import Call
from app.serving.model.outcome import Reason
from app.serving.path.person import People, history_of
from app.serving.path.rungs.scoring import MODEL_FAULTS, Scorer
from app.serving.snapshot.catalogue import Ints
from app.serving.snapshot.snapshot import LiveModel, Snapshot


class Ranker:
    """Ranks for one person at a time."""

    def __init__(self, people: People, scorer: Scorer, settings: Settings) -> None:
        self._people = people
        self._scorer = scorer
        self._settings = settings

    async def rank(self, principal: Principal, asked: RankRequest, snapshot: Snapshot) -> Ranked:
        """Return every item asked for, best first; by popularity when the person or the model cannot decide."""
        named = {"user_id": asked.user_id, "anonymous_id": asked.anonymous_id, "email_sha256": asked.email_sha256}
        call = parse(principal, named, "", JSON)
        catalogue = snapshot.catalogue
        index = np.array([catalogue.index_of.get(item, -1) for item in asked.items], np.int64)
        groups = np.where(index >= 0, np.append(catalogue.group, -1)[index], -1)
        scores, source, reason = await self._scores(call, asked.recommender, groups, snapshot)
        if scores is None:
            scores, source = popularity(snapshot, groups), "popular"
        order = np.argsort(-scores, kind="stable")
        items = [
            RankedItem(item_id=asked.items[place], position=at, score=round(float(scores[place]), 6) if np.isfinite(scores[place]) else 0.0)
            for at, place in enumerate(order, 1)
        ]
        model = snapshot.models.get(asked.recommender) if source == "live" else None
        return Ranked(
            recommendation_id=ids.short(ids.recommendation_id()),
            user_id=call.user,
            source=source,
            fallback=source != "live",
            fallback_reason=reason,
            model=asked.recommender if model else "",
            model_version=model.loaded.version if model else "",
            item_count=len(items),
            warnings=list(call.warnings),
            items=items,
        )

    async def _scores(
        self, call: Call, recommender: str, groups: Ints, snapshot: Snapshot
    ) -> tuple[NDArray[np.float64] | None, str, Reason]:
        await self._people.known(call)
        if call.state is None:
            return None, "", call.closed
        model = snapshot.models.get(recommender)
        if model is None:
            return None, "", Reason.MODEL_MISSING
        history = history_of(call.state, model)
        if not len(history.row):
            return None, "", Reason.LOW_CONFIDENCE
        known = groups >= 0
        rows = np.full(len(groups), -1, np.int64)
        rows[known] = model.loaded.row_of(snapshot.catalogue.group_no[groups[known]])
        try:
            async with asyncio.timeout(self._settings.deadline_ms / 1000):
                scored = await self._scorer.off_loop(_rank, model, history, rows)
        except TimeoutError:
            return None, "", Reason.DEADLINE
        except MODEL_FAULTS as error:
            log.error("model.fault", recommender=recommender, error=str(error)[:300])
            return None, "", Reason.MODEL_ERROR
        return scored, "live", Reason.NONE


def _rank(model: LiveModel, history: History, rows: Ints) -> NDArray[np.float64]:
    batch = model.loaded.assemble([history])
    scores = np.asarray(model.loaded.score_rank(batch, rows[None, :])[0], np.float64)
    if scores.shape != rows.shape or not (np.isfinite(scores) | np.isneginf(scores)).all():
        raise ValueError("a model does not give a score for each row")
    return scores


def popularity(snapshot: Snapshot, groups: Ints) -> NDArray[np.float64]:
    """Return a score by rank in the list of popular items; -inf for groups that are not in it."""
    listed = snapshot.catalogue.group_index(snapshot.config.popular.get("", np.zeros(0, np.int64)))
    place = {int(group): at for at, group in enumerate(listed) if group >= 0}
    return np.array([1.0 / (1 + place[int(group)]) if int(group) in place else -np.inf for group in groups])
