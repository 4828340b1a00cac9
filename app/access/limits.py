"""How often a client may call: fixed windows shared by all workers through leases, so that no answer waits for Redis.

A worker leases a slice of what is left of a window and admits from it alone. Background counting would let a burst
through before the counts meet; a call to Redis each would put its latency, and its failures, in front of every answer.
"""

import asyncio
import math
import time
from dataclasses import dataclass
from functools import lru_cache

from limits import RateLimitItem, parse_many
from redis.asyncio import Redis
from redis.exceptions import RedisError
from slowapi import Limiter as SlowapiLimiter
from slowapi.errors import RateLimitExceeded
from slowapi.wrappers import Limit
from starlette.requests import Request
from starlette.responses import Response

from app.access.domain import Principal
from app.core import redis as core_redis
from app.core.errors import LimitReached, problem_response
from app.core.logging import log
from app.core.settings import Settings
from app.core.telemetry import ERRORS, LIMITED

# Takes up to ARGV[1] of what is left of a window of ARGV[2]; ARGV[4] is what this worker knows was used, for a
# Redis that lost its memory. Returns what was taken and what is left.
_LEASE = """
local used = math.max(tonumber(redis.call('get', KEYS[1]) or '0'), tonumber(ARGV[4]))
local taken = math.min(tonumber(ARGV[1]), tonumber(ARGV[2]) - used)
if taken < 0 then taken = 0 end
redis.call('set', KEYS[1], used + taken, 'px', ARGV[3])
return {taken, tonumber(ARGV[2]) - used - taken}
"""
_RETRY_AFTER_FAILURE_S = 1.0
_MOST_ACCOUNTS = 10_000
_MOST_CALLS = 10**9
_LONGEST_WINDOW_S = 366 * 86_400
# Slices below this are fetched when they are needed: fetched ahead, they would be hoarded.
_AHEAD_FROM = 8


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a call is within its limit; `reset_s` seconds until the window that decides ends."""

    allowed: bool
    limit: int
    remaining: int
    reset_s: int
    period_s: int = 60

    def headers(self) -> dict[str, str]:
        """Return the RateLimit fields of the IETF draft, and Retry-After when the call was refused."""
        fields = {
            "RateLimit-Policy": f'"client";q={self.limit};w={self.period_s}',
            "RateLimit": f'"client";r={self.remaining};t={self.reset_s}',
        }
        return fields if self.allowed else {**fields, "Retry-After": str(max(1, self.reset_s))}


@lru_cache(maxsize=4096)
def parse_limit(text: str) -> tuple[RateLimitItem, ...]:
    """Read a limit such as `100/second; 6000/minute`; raises ValueError when it is not one, or allows nothing."""
    items = tuple(parse_many(text))
    if any(not 1 <= item.amount <= _MOST_CALLS or not 1 <= item.get_expiry() <= _LONGEST_WINDOW_S for item in items):
        raise ValueError("a limit allows 1 to a billion calls in a second to a year")
    return items


@dataclass(slots=True)
class _Window:
    """One worker's part of one fixed window of one client."""

    amount: int
    period: int
    number: int = -1
    room: int = 0
    used: int = 0
    left: int = 0
    seen: bool = False

    def roll(self, now: float) -> None:
        """Enter the window of the moment; what was leased and not used dies with the old one."""
        number = int(now // self.period)
        # a clock that is set back must not open a window again
        if number > self.number:
            self.number, self.room, self.used, self.left, self.seen = number, 0, 0, self.amount, False

    def reset_s(self, now: float) -> int:
        """Seconds until the window ends, rounded up."""
        return max(1, math.ceil((self.number + 1) * self.period - now))


@dataclass(slots=True)
class _Account:
    """The windows of one client, and the lease that is under way for them."""

    key: str
    text: str
    windows: list[_Window]
    waiting: int = 0
    lease: asyncio.Task[bool] | None = None


class Limiter(SlowapiLimiter):
    """Admits calls of clients. slowapi gives parsing, its exception and its handler's place; its storage stays in memory.

    `redis` should have a socket timeout well above the wait of this class (see `connect`): a busy loop must not be
    taken for a silent Redis.
    """

    def __init__(self, redis: Redis | None, settings: Settings) -> None:
        super().__init__(key_func=lambda request: "", storage_uri="memory://", key_style="endpoint", headers_enabled=False)
        self._redis = redis
        self._wait_s = settings.redis_timeout_ms / 1000
        self._workers = settings.workers
        self._default = parse_limit(settings.default_rate_limit)
        self._accounts: dict[tuple[int, int], _Account] = {}
        self._script = redis.register_script(_LEASE) if redis is not None else None
        self._down_until = 0.0
        self._tasks: set[asyncio.Task[bool]] = set()

    @classmethod
    def connect(cls, url: str, settings: Settings) -> "Limiter":
        """Return a limiter with a client of its own."""
        return cls(core_redis.connect(url, timeout_ms=1000, connections=32), settings)

    async def close(self) -> None:
        """Let go of leases under way and of the connection."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._redis is not None:
            await self._redis.aclose()

    def try_admit(self, principal: Principal, cost: int = 1) -> Verdict | None:
        """Decide at once when that is possible; None means that `admit` must be awaited."""
        now = time.time()
        account = self._account(principal)
        short: _Window | None = None
        for window in account.windows:
            window.roll(now)
            if window.room < cost:
                short = window
        if short is not None:
            if self._script is None or self._down(account):
                return self._alone(account, cost, now)
            for window in account.windows:
                if window.room < cost and window.seen and window.left + window.room < cost:
                    return _refusal(window, now)
            return None
        return self._take(account, cost, now)

    async def admit(self, principal: Principal, cost: int = 1) -> Verdict:
        """Decide, waiting for a lease for as long as the cache may take at most."""
        verdict = self.try_admit(principal, cost)
        if verdict is not None:
            return verdict
        account = self._account(principal)
        deadline = time.monotonic() + self._wait_s
        account.waiting += cost
        try:
            while verdict is None:
                lease = account.lease
                if lease is None or lease.done():
                    lease = self._start(account)
                if not await _settled(lease, deadline - time.monotonic()):
                    self._fail("timeout")
                verdict = self.try_admit(principal, cost)
        finally:
            account.waiting -= cost
        return verdict

    async def guard(self, request: Request, principal: Principal) -> Verdict:
        """Admit a call of a route that is not serving; raises slowapi's RateLimitExceeded over the limit."""
        verdict = self.try_admit(principal) or await self.admit(principal)
        request.state.verdict = verdict
        if not verdict.allowed:
            LIMITED.labels(principal.kind).inc()
            raise RateLimitExceeded(Limit(self._default[0], lambda: "", None, False, None, None, None, 1, False))
        return verdict

    def _account(self, principal: Principal) -> _Account:
        name = (principal.tenant, principal.client_no)
        account = self._accounts.get(name)
        if account is None or account.text != principal.rate_limit:
            if len(self._accounts) >= _MOST_ACCOUNTS:
                self._accounts.pop(next(iter(self._accounts)))
            try:
                items = parse_limit(principal.rate_limit)
            except ValueError:
                log.error("limits.unreadable", client_id=principal.client_id, limit=principal.rate_limit)
                items = self._default
            windows = [_Window(item.amount, item.get_expiry()) for item in items]
            key = f"m:{{{principal.tenant}.c{principal.client_no}}}:l"
            account = self._accounts[name] = _Account(key, principal.rate_limit, windows)
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
        if low and account.lease is None and self._script is not None and not self._down(account):
            # the next slice is fetched behind the answer, before this one is used up
            self._start(account)
        return Verdict(True, tightest.amount, tightest.left + tightest.room, tightest.reset_s(now), tightest.period)

    def _slice(self, window: _Window) -> int:
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
                return _refusal(window, now)
            if able < least:
                least, tightest = able, window
        for window in account.windows:
            window.room = max(0, window.room - cost)
            window.used += cost
        return Verdict(True, tightest.amount, int(least) - cost, tightest.reset_s(now), tightest.period)

    def _start(self, account: _Account) -> asyncio.Task[bool]:
        task = asyncio.get_running_loop().create_task(self._lease(account))
        account.lease = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _lease(self, account: _Account) -> bool:
        """Lease for every window that is short; tells whether Redis answered."""
        assert self._script is not None
        try:
            for window in account.windows:
                window.roll(time.time())
                want = max(self._slice(window), account.waiting) - window.room
                if want <= 0 or (window.seen and window.left <= 0):
                    continue
                number = window.number
                taken, left = await self._script(
                    keys=[f"{account.key}:{window.period}:{number}"],
                    args=[want, window.amount, (window.period + 10) * 1000, window.used + window.room],
                )
                window.roll(time.time())
                if window.number == number:
                    window.room += int(taken)
                    window.left = int(left)
                    window.seen = True
        except (RedisError, OSError, TimeoutError) as error:
            self._fail(type(error).__name__)
            return False
        finally:
            account.lease = None
        self._down_until = 0.0
        return True

    def _fail(self, kind: str) -> None:
        if not self._down_until:
            log.warning("limits.redis_down", error=kind)
        ERRORS.labels("redis", "limits").inc()
        self._down_until = time.monotonic() + _RETRY_AFTER_FAILURE_S

    def _down(self, account: _Account) -> bool:
        """Tell whether Redis failed lately; once the pause is over one lease behind the answers finds out whether it is back."""
        if not self._down_until:
            return False
        if time.monotonic() >= self._down_until and account.lease is None:
            self._down_until = time.monotonic() + _RETRY_AFTER_FAILURE_S
            self._start(account)
        return True


async def _settled(task: asyncio.Task[bool], timeout: float) -> bool:
    """Wait for a lease without cancelling it; a timer that fired late because the loop was busy gets a second look."""
    await asyncio.wait({task}, timeout=max(0.0, timeout))
    for _ in range(8):
        if task.done():
            return True
        await asyncio.sleep(0)
    return task.done()


def _refusal(window: _Window, now: float) -> Verdict:
    return Verdict(False, window.amount, 0, window.reset_s(now), window.period)


async def on_limit_exceeded(request: Request, error: Exception) -> Response:
    """Answer slowapi's RateLimitExceeded as problem+json; install with `app.add_exception_handler(RateLimitExceeded, ...)`."""
    verdict: Verdict | None = getattr(request.state, "verdict", None)
    headers = verdict.headers() if verdict else {"Retry-After": "60"}
    return problem_response(LimitReached("The client is over its limit; come back when the window is over.", headers=headers))
