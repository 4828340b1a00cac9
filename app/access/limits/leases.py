"""How often a client may call: fixed windows shared by all workers through leases, so that no answer waits for Redis.

A worker leases a slice of what is left of a window and admits from it alone. Background counting would let a burst
through before the counts meet; a call to Redis each would put its latency, and its failures, in front of every answer.
"""

# long: the leases of a process and their reconciliation share every field; apart they would be two halves of one class

import asyncio
import contextlib
import math
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from slowapi import Limiter as SlowapiLimiter
from slowapi.errors import RateLimitExceeded
from slowapi.wrappers import Limit
from starlette.requests import Request

from app.access.domain import Principal
from app.access.limits.counting import Budget, Verdict, Window, parse_limit
from app.core import tasks
from app.core.logging import log
from app.core.redis import FAULTS, Nodes
from app.core.settings import Settings
from app.core.telemetry import ERRORS, LIMITED

# Takes room for up to ARGV[1] calls, the same in every window of a client or in none: two workers that each got one of
# two windows could admit nothing. A window has four arguments: room that the worker still holds, its amount, its time to
# live, and what this worker knows was used (for a Redis that lost its memory). Returns taken and left of each.
_LEASE = """
local calls = tonumber(ARGV[1])
local used = {}
for i = 1, #KEYS do
  local at = 4 * i - 2
  local was = redis.pcall('get', KEYS[i])
  used[i] = math.max(type(was) == 'string' and tonumber(was) or 0, tonumber(ARGV[at + 3]))
  calls = math.min(calls, tonumber(ARGV[at]) + math.max(0, tonumber(ARGV[at + 1]) - used[i]))
end
local answer = {}
for i = 1, #KEYS do
  local at = 4 * i - 2
  local taken = math.max(0, calls - tonumber(ARGV[at]))
  redis.call('set', KEYS[i], used[i] + taken, 'px', ARGV[at + 2])
  answer[2 * i - 1] = taken
  answer[2 * i] = tonumber(ARGV[at + 1]) - used[i] - taken
end
return answer
"""
_RETRY_AFTER_FAILURE_S = 1.0
_LONGEST_WARMING_S = 1.0
# A silence is believed after this many turns of the loop, however long each took.
_TURNS = 12
_T = TypeVar("_T")
_MOST_ACCOUNTS = 10_000
# Slices below this are fetched when they are needed: fetched ahead, they would be hoarded.
_AHEAD_FROM = 8


@dataclass(slots=True)
class _Account:
    """The windows of one client, and the lease that is under way for them."""

    key: str
    windows: list[Window]
    waiting: int = 0
    lease: asyncio.Task[None] | None = None


class Limiter(SlowapiLimiter):
    """Admits calls of clients. slowapi gives parsing, its exception and its handler's place; its storage stays in memory.

    `nodes` should have a socket timeout well above the wait of this class (see `connect`): a busy loop must not be
    taken for a silent Redis.
    """

    def __init__(self, nodes: Nodes | None, settings: Settings) -> None:
        super().__init__(key_func=lambda request: "", storage_uri="memory://", key_style="endpoint", headers_enabled=False)
        self._nodes = nodes
        self._wait_s = settings.redis_timeout_ms / 1000
        self._workers = settings.workers
        self._default = parse_limit(settings.default_rate_limit)
        self._accounts: dict[tuple[int, int, str, Budget], _Account] = {}
        self._down_until: dict[str, float] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    @classmethod
    def connect(cls, url: str, settings: Settings) -> "Limiter":
        """Return a limiter with a client of its own."""
        return cls(Nodes(url, timeout_ms=1000, connections=32), settings)

    async def close(self) -> None:
        """Let go of leases under way and of the connection."""
        await tasks.stop(*self._tasks)
        if self._nodes is not None:
            await self._nodes.aclose()

    def passes(self, principal: Principal) -> bool:
        """Count an answer that fits into what was leased already; False leaves it, uncounted, to `try_admit`."""
        account, now = self._account(principal), time.time()
        for window in account.windows:
            if window.room <= window.ahead or now >= window.ends:
                return False
        for window in account.windows:
            window.room -= 1
            window.used += 1
        return True

    def try_admit(self, principal: Principal, cost: int = 1, budget: Budget = Budget.ANSWERS) -> Verdict | None:
        """Decide at once when that is possible; None means that `admit` must be awaited."""
        return self._try(self._account(principal, budget), cost)

    def _try(self, account: _Account, cost: int) -> Verdict | None:
        now, steady = time.time(), time.monotonic()
        short: Window | None = None
        for window in account.windows:
            window.roll(now, steady)
            if window.room < cost:
                short = window
        if short is not None:
            if self._nodes is None or self._down(account):
                return self._alone(account, cost, now)
            for window in account.windows:
                if window.room < cost and window.seen and window.left + window.room < cost:
                    return window.refusal(now)
            return None
        return self._take(account, cost, now)

    async def admit(self, principal: Principal, cost: int = 1, budget: Budget = Budget.ANSWERS) -> Verdict:
        """Decide, waiting for a lease for as long as the cache may take at most."""
        account = self._account(principal, budget)
        verdict = self._try(account, cost)
        account.waiting += cost
        try:
            while verdict is None:
                # one lease serves all who wait; one of them going away must not cancel it
                await asyncio.shield(account.lease or self._start(account))
                verdict = self._try(account, cost)
        finally:
            account.waiting -= cost
        return verdict

    async def warm(self) -> None:
        """Connect before the first call, so that a burst at the start need not; Redis may be away."""
        if self._nodes is None:
            return
        with contextlib.suppress(*FAULTS):
            async with asyncio.timeout(_LONGEST_WARMING_S):
                await asyncio.gather(*(node.client.ping() for node in await self._nodes.all()), return_exceptions=True)

    def most(self, principal: Principal) -> int:
        """Return the highest cost that ever fits into the principal's limit."""
        return min(window.amount for window in self._account(principal).windows)

    async def guard(self, request: Request, principal: Principal, budget: Budget, cost: int = 1) -> Verdict:
        """Admit a call of a route that is not on the fast path; raises slowapi's RateLimitExceeded over the limit."""
        verdict = self.try_admit(principal, cost, budget) or await self.admit(principal, cost, budget)
        request.state.verdict = verdict
        if not verdict.allowed:
            LIMITED.labels(principal.kind).inc()
            raise RateLimitExceeded(Limit(self._default[0], lambda: "", None, False, None, None, None, 1, False))
        return verdict

    def _account(self, principal: Principal, budget: Budget = Budget.ANSWERS) -> _Account:
        name = (principal.tenant, principal.client_no, principal.rate_limit, budget)
        account = self._accounts.get(name)
        if account is None:
            if len(self._accounts) >= _MOST_ACCOUNTS:
                self._accounts.pop(next(iter(self._accounts)))
            try:
                items = parse_limit(principal.rate_limit)
            except ValueError:
                log.error("limits.unreadable", client_id=principal.client_id, limit=principal.rate_limit)
                items = self._default
            windows = [Window(item.amount, item.get_expiry()) for item in items]
            key = f"m:{{{principal.tenant}.c{principal.client_no}}}:{budget}"
            account = self._accounts[name] = _Account(key, windows)
        return account

    def _take(self, account: _Account, cost: int, now: float) -> Verdict:
        tightest = account.windows[0]
        low = False
        for window in account.windows:
            window.room -= cost
            window.used += cost
            if window.left + window.room < tightest.left + tightest.room:
                tightest = window
            low = low or window.room * 4 < self._slice(window) >= _AHEAD_FROM
        if low and account.lease is None and self._nodes is not None and not self._down(account):
            # the next slice is fetched behind the answer, before this one is used up
            self._start(account)
        return Verdict(True, tightest.amount, tightest.left + tightest.room, tightest.reset_s(now), tightest.period)

    def _slice(self, window: Window) -> int:
        """Size of a lease: a tenth of the limit over all workers, smaller near the end so that none hoards the rest."""
        share = self._workers * 10
        return max(1, min(window.amount // share, window.left // (self._workers * 2)))

    def _alone(self, account: _Account, cost: int, now: float) -> Verdict:
        """Decide without Redis: this worker has its share of each window, less what it has admitted already."""
        least = math.inf
        tightest = account.windows[0]
        for window in account.windows:
            able = max(1, window.amount // self._workers) - window.used
            if window.seen:
                # what Redis said last bounds the sum over all workers better than the share does
                able = min(able, window.room + max(0, window.left) // self._workers)
            able = max(able, window.room)
            if able < cost:
                return window.refusal(now)
            if able < least:
                least, tightest = able, window
        for window in account.windows:
            window.room = max(0, window.room - cost)
            window.used += cost
        return Verdict(True, tightest.amount, int(least) - cost, tightest.reset_s(now), tightest.period)

    def _start(self, account: _Account) -> asyncio.Task[None]:
        account.lease = self._keep(self._lease(account))
        return account.lease

    def _keep(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _lease(self, account: _Account) -> None:
        """Lease for every window that is short, or note that Redis failed."""
        try:
            now, steady = time.time(), time.monotonic()
            args: list[int] = [max(account.waiting, min(self._slice(window) for window in account.windows))]
            for window in account.windows:
                window.roll(now, steady)
                args += [window.room, window.amount, (window.period + 10) * 1000, window.used + window.room]
            numbers = [window.number for window in account.windows]
            keys = [f"{account.key}:{window.period}:{window.number}" for window in account.windows]
            answer = await self._answer(keys, args)
            if answer is None:
                return
            now, steady = time.time(), time.monotonic()
            for place, window in enumerate(account.windows):
                window.roll(now, steady)
                if window.number == numbers[place]:
                    window.room += answer[2 * place]
                    window.left = answer[2 * place + 1]
                    window.seen = True
                    window.ahead = self._slice(window) // 4
        finally:
            account.lease = None

    async def _answer(self, keys: list[str], args: list[int]) -> list[int] | None:
        """Run the script; None when Redis fails or is silent for the longest wait.

        The wait is counted in turns of the loop as well as in time: a loop that was busy has not read what lies in the socket.
        """
        assert self._nodes is not None
        name = self._nodes.name_of(keys[0])
        call = self._keep(_call(self._nodes, keys, args))
        for _ in range(_TURNS):
            done, _ = await asyncio.wait({call}, timeout=self._wait_s / _TURNS)
            if done:
                break
        if not call.done():
            call.cancel()
            self._fail("timeout", name)
            return None
        answer = call.result()
        if isinstance(answer, str):
            self._fail(answer, name)
            return None
        self._down_until.pop(name, None)
        self._down_until.pop("", None)  # what failed before it was known which node it concerned
        return answer

    def _fail(self, kind: str, name: str) -> None:
        if name not in self._down_until:
            log.warning("limits.redis_down", error=kind, node=name)
        ERRORS.labels("redis", "limits").inc()
        self._down_until[name] = time.monotonic() + _RETRY_AFTER_FAILURE_S
        assert self._nodes is not None
        self._nodes.look_again()

    def _down(self, account: _Account) -> bool:
        """Tell whether the account's node failed lately; after a pause one lease behind the answers finds out whether it is back."""
        if not self._down_until or self._nodes is None:
            return False
        name = self._nodes.name_of(account.key)
        until = self._down_until.get(name)
        if until is None:
            return False
        if time.monotonic() >= until and account.lease is None:
            self._down_until[name] = time.monotonic() + _RETRY_AFTER_FAILURE_S
            self._start(account)
        return True


async def _call(nodes: Nodes, keys: list[str], args: list[int]) -> list[int] | str:
    """Return what the script returns, or the name of the error, which nobody may be there to take.

    The keys share a hash tag, so they lie on one node. The script is sent whole: a lease is rare, and a node that took over
    from another need not know it.
    """
    try:
        node = await nodes.of(keys[0])
        answer: list[int] = await node.client.eval(_LEASE, len(keys), *keys, *args)
    except FAULTS as error:
        return type(error).__name__
    return answer
