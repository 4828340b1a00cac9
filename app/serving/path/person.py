"""Who the answer is for: the state found, whether it may be used, and the history that a model reads."""

# long: whose answer it is, however the person was named

import asyncio
from functools import partial
from typing import Any

import numpy as np

from app.core import clock, ids
from app.data.facts import packed
from app.data.identity.purposes import ALLOWED, Defaults
from app.data.profiles.state_codec import POINTER_FORMAT, StateView, unpack_pointer, view_state
from app.ml import contract
from app.ml.contract import History, Ints
from app.serving.model import candidates
from app.serving.model.call import NONE, Call, Step, guarded, waking
from app.serving.model.outcome import Reason
from app.serving.path.keys import keys_of
from app.serving.path.lookup import Lookup, Values
from app.serving.path.people_db import DatabaseDown, PeopleDatabase
from app.serving.path.rules import repeating
from app.serving.path.tracked import Tracked
from app.serving.snapshot.snapshot import LiveModel


class People:
    """Finds people by key: in Redis, and in PostgreSQL while Redis is away or not whole."""

    def __init__(self, lookup: Lookup, database: PeopleDatabase, *, default_consent: bool, defaults: Defaults = ALLOWED) -> None:
        self._lookup = lookup
        self._database = database
        self._default_consent = default_consent
        self._tracked = Tracked(defaults)
        self._tasks: set[asyncio.Task[None]] = set()

    def find(self, call: Call, then: Step) -> None:
        """Read the person's state, the scored list and the pinned answer that a call needs, in one go, and continue it."""
        keys = [call.state_key] if call.key else []
        if call.list_key:
            keys.append(call.list_key)
        if call.pin_key:
            keys.append(call.pin_key)
        if call.facts_key:
            keys.append(call.facts_key)
        if call.shown_key:
            keys.append(call.shown_key)
        if keys:
            self._lookup.get(call.tenant, keys, partial(self._read, call, then))
        else:
            call.closed = Reason.NO_USER
            then(call)

    def listed(self, call: Call, then: Step) -> None:
        """Read another list for a call whose person was found, and continue it."""
        _, call.list_key = keys_of(call)
        call.cached = None
        if call.list_key and call.trusted:
            self._lookup.get(call.tenant, [call.list_key], partial(self._relisted, call, then))
        else:
            then(call)

    @guarded
    def _relisted(self, call: Call, then: Step, values: Values | None) -> None:
        if values is not None:
            call.cached = candidates.unpack(values[0])
        then(call)

    def showed(self, call: Call) -> None:
        """Keep what an answer shows, for rules against repeats."""
        repeating.showed(call, self._lookup)

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
                call.closed = Reason.NO_USER
                then(call)
            return
        call.trusted = True
        if call.shown_key:
            *values, call.shown = values
        if call.facts_key:
            *values, told = values
            call.facts = packed.read(told)
        if call.pin_key:
            call.pinned = values[-1]
        if call.list_key:
            call.cached = candidates.unpack(values[1 if call.key else 0])
        if not call.key:
            call.closed = Reason.NO_USER
        elif (state := values[0]) is not None and state[0] == POINTER_FORMAT and (primary := unpack_pointer(state)) is not None:
            # the id is linked to another one, under which the state lies: one more read
            own = [ids.state_key(call.tenant, primary), *([ids.facts_key(call.tenant, primary)] if call.facts_key else [])]
            if call.shown_key:
                repeating.key_of(call, primary)
                own.append(call.shown_key)
            self._lookup.get(call.tenant, own, partial(self._pointed, call, then))
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
        if call.facts_key:
            call.facts = packed.read(values[1])
        if call.shown_key:
            call.shown = values[-1]
        self._judge(call, view_state(values[0]))
        then(call)

    async def _from_database(self, call: Call, then: Step) -> None:
        try:
            state = await self._database.state(call.tenant, call.key)
            if call.facts_key and state is not None:
                call.facts = packed.read(state.facts)
            self._judge(call, state)
        except DatabaseDown as why:
            call.closed = Reason(str(why))
        except Exception as error:
            call.fail(call, error)
            return
        self._go_on(call, then)

    @guarded
    def _go_on(self, call: Call, then: Step) -> None:
        then(call)

    def _judge(self, call: Call, state: StateView | None) -> None:
        if state is None:
            call.closed = Reason.UNKNOWN_USER
            return
        if state.tracking is not None or (self._tracked.by_country and not call.untracked):
            call.untracked = not self._tracked.of(state)
        if not (self._default_consent if state.consent is None else state.consent):
            call.closed = Reason.NO_CONSENT
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
    age = contract.told_apart(age, state.last_at)
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


def hidden_rows(call: Call, model: LiveModel) -> Ints:
    """Return the model's rows that must not be scored: the page's items, and what the person must not be shown."""
    exclude = known_rows(model, call.anchor) if len(call.anchor) else NONE
    if call.own and call.state is not None and (hidden := call.hidden()):
        groups = np.fromiter(hidden, np.int64, len(hidden)) if call.wanted.exclude_seen else call.state.bought
        hidden_rows = known_rows(model, groups)
        exclude = np.concatenate([exclude, hidden_rows]) if len(exclude) else hidden_rows
    return exclude
