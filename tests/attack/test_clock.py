"""A clock that jumps ahead and comes back leaves nothing behind."""

import time
from types import SimpleNamespace
from typing import Any

import pytest

from app.access import authenticator as authenticators
from app.access.limits import leases
from app.access.limits.leases import Limiter
from app.access.tokens import jwt
from app.core.ids import DEFAULT_TENANT
from app.core.settings import Settings
from app.serving.edge import protocol
from tests.access.test_limits import burst, caller
from tests.attack.peer import Listening
from tests.serving.shop import Shop

DAY = 86_400.0


class Clock(SimpleNamespace):
    """Two clocks: one that is set, one that goes on by itself."""

    now = 1_800_000_030.0
    steady = 1_000.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.steady


@pytest.mark.parametrize("shared", [True, False])
async def test_a_client_seen_while_the_clock_was_a_day_ahead_has_its_limit_again_within_a_window(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    clock = Clock()
    monkeypatch.setattr(leases, "time", clock)
    worker = Limiter.connect(redis_url, Settings(workers=1)) if shared else Limiter(None, Settings(workers=1))
    principal = caller("50/minute")
    assert await burst([worker], principal, 10) == 10
    clock.now += DAY
    assert await burst([worker], principal, 100) == 50
    clock.now -= DAY
    assert await burst([worker], principal, 100) == 0, "a clock that is set back opens no window by itself"
    refused = await worker.admit(principal)
    assert refused.reset_s <= 60
    clock.now += 61
    clock.steady += 61
    assert await burst([worker], principal, 100) == 50
    await worker.close()


async def test_callers_are_known_again_once_a_clock_that_was_ahead_is_right(
    door: Listening, plain_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = SimpleNamespace(by=0.0)
    clock: Any = SimpleNamespace(time=lambda: time.time() + ahead.by, perf_counter=time.perf_counter, monotonic=time.monotonic)
    monkeypatch.setattr(protocol, "time", clock)
    monkeypatch.setattr(authenticators, "time", clock)
    monkeypatch.setattr(jwt, "time", clock)
    access = plain_shop.app.state.access
    client = next(iter(access.directory.clients.values()))
    token = await access.issue(client, client.scopes)
    head = f"GET /v1/recommendations?placement=home-popular HTTP/1.1\r\nhost: t\r\nauthorization: Bearer {token}\r\n"
    statuses = []
    for ahead.by in (0.0, 0.0, DAY, DAY, 0.0, 0.0):
        for more in ("\r\n", "connection: close\r\n\r\n"):
            async with door.peer() as peer:
                await peer.send((head + more).encode())
                statuses.append((await peer.answer()).status)
    assert statuses == [200] * 4 + [401] * 4 + [200] * 4


async def test_links_are_signed_with_the_key_of_today_after_a_clock_was_ahead(plain_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    access = plain_shop.app.state.access
    first = access.link_keys(DEFAULT_TENANT)
    links, since, _ = access._links[DEFAULT_TENANT]
    assert since <= time.time()
    monkeypatch.setitem(access._links, DEFAULT_TENANT, (links, time.time() + DAY, float("inf")))  # made while the clock was ahead
    assert access.link_keys(DEFAULT_TENANT) == first
    assert access._links[DEFAULT_TENANT][1] == since
