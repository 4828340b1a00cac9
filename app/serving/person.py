"""Who the answer is for: the state found, whether it may be used, and the history that a model reads."""

import asyncio
from functools import partial
from typing import Any

import numpy as np

from app.core import clock, ids
from app.data.people.online import POINTER_FORMAT, StateView, unpack_pointer, view_state
from app.ml import contract
from app.ml.contract import History, Ints
from app.serving import candidates
from app.serving.call import Call, Step, guarded, waking
from app.serving.lookup import Lookup, Values
from app.serving.people_db import DatabaseDown, PeopleDatabase
from app.serving.snapshot.snapshot import LiveModel


class People:
    """Finds people by key: in Redis, and in PostgreSQL while Redis is away or not whole."""

    def __init__(self, lookup: Lookup, database: PeopleDatabase, *, default_consent: bool) -> None:
        self._lookup = lookup
        self._database = database
        self._default_consent = default_consent
        self._tasks: set[asyncio.Task[None]] = set()

    def find(self, call: Call, then: Step) -> None:
        """Read the person's state, the scored list and the pinned answer that a call needs, in one go, and continue it."""
        keys = [call.state_key] if call.key else []
        if call.list_key:
            keys.append(call.list_key)
        if call.pin_key:
            keys.append(call.pin_key)
        if keys:
            self._lookup.get(call.tenant, keys, partial(self._read, call, then))
        else:
            call.closed = "no_user"
            then(call)

    async def known(self, call: Call) -> None:
        """Find the state of the person a call names, for a caller that can wait."""
        if call.key:
            call.state_key = ids.state_key(call.tenant, call.key)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.find(call, waking(future))
        await future

    @guarded
    def _read(self, call: Call, then: Step, values: Values | None) -> None:
        if values is None:
            if call.key:
                self._keep(self._from_database(call, then))
            else:
                call.closed = "no_user"
                then(call)
            return
        call.trusted = True
        if call.pin_key:
            call.pinned = values[-1]
        if call.list_key:
            call.cached = candidates.unpack(values[1 if call.key else 0])
        if not call.key:
            call.closed = "no_user"
        elif (state := values[0]) is not None and state[0] == POINTER_FORMAT and (primary := unpack_pointer(state)) is not None:
            # the id is linked to another one, under which the state lies: one more read
            self._lookup.get(call.tenant, [ids.state_key(call.tenant, primary)], partial(self._pointed, call, then))
            return
        else:
            self._judge(call, view_state(state))
        then(call)

    @guarded
    def _pointed(self, call: Call, then: Step, values: Values | None) -> None:
        if values is None:
            call.trusted = False
            self._keep(self._from_database(call, then))
            return
        self._judge(call, view_state(values[0]))
        then(call)

    async def _from_database(self, call: Call, then: Step) -> None:
        try:
            self._judge(call, await self._database.state(call.tenant, call.key))
        except DatabaseDown:
            call.closed = "database_down"
        except Exception as error:
            call.fail(call, error)
            return
        self._go_on(call, then)

    @guarded
    def _go_on(self, call: Call, then: Step) -> None:
        then(call)

    def _judge(self, call: Call, state: StateView | None) -> None:
        if state is None:
            call.closed = "unknown_user"
        elif not (self._default_consent if state.consent is None else state.consent):
            call.closed = "no_consent"
        else:
            call.state = state
            if state.bought_count:
                call.bought = state.bought_numbers()

    def _keep(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def history_of(view: StateView, model: LiveModel) -> History:
    """Return a state's history as rows of a model, at the present moment."""
    state = view.whole()
    if state is None:
        return contract.history()
    age = (np.maximum(clock.now().timestamp() - state.last_at, 0) / 86_400).astype(np.float32)
    row = model.loaded.row_of(state.groups)
    known = History(row, state.kinds.astype(np.int64), age, state.times.astype(np.float32), state.amounts)
    return known if row.min(initial=0) >= 0 else known.only(row >= 0)


def history_of_anchor(groups: Ints, model: LiveModel) -> History:
    """Return the items of a page or cart as a history: each viewed once, now."""
    kind = np.full(len(groups), contract.KINDS.index("view"))
    return model.loaded.history(groups, kind, np.zeros(len(groups)), np.ones(len(groups)), np.ones(len(groups)))


def known_rows(model: LiveModel, groups: Any) -> Ints:
    """Return the model's rows of group numbers, those it does not know left out."""
    rows = model.loaded.row_of(groups)
    return rows[rows >= 0]
