"""Who the answer is for: the state found, whether it may be used, and the history that a model reads."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from app.core import clock, ids
from app.data.people.online import POINTER_FORMAT, StateView, unpack_pointer, view_state
from app.ml import contract
from app.ml.contract import History, Ints
from app.serving.lookup import Lookup
from app.serving.people_db import DatabaseDown, PeopleDatabase
from app.serving.redis_reader import RedisDown
from app.serving.snapshot.snapshot import LiveModel


@dataclass(slots=True)
class Found:
    """What one read gave: a state or the reason why there is none; `extra` are the other values asked for.

    `trusted` says that Redis answered and may be believed.
    """

    state: StateView | None
    reason: str
    extra: list[bytes | None]
    trusted: bool


class People:
    """Finds people by key: in Redis, and in PostgreSQL while Redis is away or not whole."""

    def __init__(self, lookup: Lookup, database: PeopleDatabase, *, default_consent: bool) -> None:
        self._lookup = lookup
        self._database = database
        self._default_consent = default_consent

    async def find(self, tenant: int, key: bytes, keys: list[str]) -> Found:
        """Read values in one go, a person's state first among them unless `key` is empty, which means nobody."""
        try:
            values = await self._lookup.get(tenant, keys) if keys else []
            state_value, extra = (values[0], values[1:]) if key else (None, values)
            trusted = True
            if state_value is not None and state_value[0] == POINTER_FORMAT and (primary := unpack_pointer(state_value)) is not None:
                state_value = (await self._lookup.get(tenant, [ids.state_key(tenant, primary)]))[0]
        except RedisDown:
            state_value, extra, trusted = None, [None] * (len(keys) - bool(key)), False
        if not key:
            return Found(None, "no_user", extra, trusted)
        if trusted:
            return self._judged(view_state(state_value), extra, trusted)
        try:
            return self._judged(await self._database.state(tenant, key), extra, trusted)
        except DatabaseDown:
            return Found(None, "database_down", extra, trusted)

    def _judged(self, state: StateView | None, extra: list[bytes | None], trusted: bool) -> Found:
        if state is None:
            return Found(None, "unknown_user", extra, trusted)
        consent = self._default_consent if state.consent is None else state.consent
        if not consent:
            return Found(None, "no_consent", extra, trusted)
        return Found(state, "", extra, trusted)


def history_of(view: StateView, model: LiveModel) -> History:
    """Return a state's history as rows of a model, at the present moment."""
    state = view.whole()
    if state is None:
        return contract.history()
    age = np.maximum(clock.now().timestamp() - state.last_at.astype(np.float64), 0) / 86_400
    return model.loaded.history(state.groups, state.kinds, age, state.times, state.amounts)


def history_of_anchor(groups: Ints, model: LiveModel) -> History:
    """Return the items of a page or cart as a history: each viewed once, now."""
    kind = np.full(len(groups), contract.KINDS.index("view"))
    return model.loaded.history(groups, kind, np.zeros(len(groups)), np.ones(len(groups)), np.ones(len(groups)))


def known_rows(model: LiveModel, groups: Any) -> Ints:
    """Return the model's rows of group numbers, those it does not know left out."""
    rows = model.loaded.row_of(groups)
    return rows[rows >= 0]
