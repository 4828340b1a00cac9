"""Limits over several workers, and what they do while Redis is away or silent."""

import asyncio
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace

import httpx
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from app.access.domain import ClientKind, Principal, Scope
from app.access.limits import leases
from app.access.limits.counting import Verdict, parse_limit
from app.access.limits.leases import Limiter
from app.core import redis as core_redis
from app.core.settings import Settings
from tests.access.conftest import build_app


def caller(limit: str, client_no: int = 1, tenant: int = 1) -> Principal:
    return Principal(tenant, client_no, f"mc_{client_no}", ClientKind.SERVICE, frozenset({Scope.RECOMMEND}), limit, "reject")


@pytest.fixture
def clock(monkeypatch) -> SimpleNamespace:
    """The wall clock of the limits, standing in the middle of a minute until moved."""
    fixed = SimpleNamespace(now=1_800_000_030.0, time=lambda: fixed.now, monotonic=time.monotonic)
    monkeypatch.setattr(leases, "time", fixed)
    return fixed


@pytest.fixture
async def workers(redis_url: str) -> AsyncIterator[list[Limiter]]:
    """Four workers on one Redis."""
    four = [Limiter.connect(redis_url, Settings(workers=4)) for _ in range(4)]
    yield four
    for worker in four:
        await worker.close()


async def burst(workers: list[Limiter], principal: Principal, calls: int) -> int:
    verdicts = await asyncio.gather(*(workers[n % len(workers)].admit(principal) for n in range(calls)))
    return sum(verdict.allowed for verdict in verdicts)


async def test_four_workers_admit_a_limit_once_in_a_minute(workers, clock):
    assert await burst(workers, caller("60/minute"), 3000) == 60
    clock.now += 29
    assert await burst(workers, caller("60/minute"), 100) == 0
    clock.now += 1
    assert await burst(workers, caller("60/minute"), 3000) == 60


@pytest.mark.parametrize("limit", ["1/minute", "3/minute", "1000/minute", "7/second"])
async def test_no_limit_is_exceeded_and_none_is_left_unused(workers, clock, limit):
    assert await burst(workers, caller(limit), 3000) == parse_limit(limit)[0].amount


async def test_calls_one_after_the_other_use_the_whole_limit(workers, clock):
    taken = 0
    for n in range(900):
        taken += (await workers[n % 4].admit(caller("600/minute"))).allowed
    assert 560 <= taken <= 600


async def test_a_worker_alone_gets_nearly_the_whole_limit(workers, clock):
    await workers[1].admit(caller("600/minute"))
    taken = 1 + sum([(await workers[0].admit(caller("600/minute"))).allowed for _ in range(700)])
    assert 580 <= taken <= 600


async def test_the_tighter_of_two_limits_decides(workers, clock):
    both = caller("10/second; 25/minute")
    found = []
    for _ in range(4):
        found.append(await burst(workers, both, 200))
        clock.now += 1
    assert found[:2] == [10, 10]
    assert sum(found) <= 25


async def test_clients_and_tenants_do_not_share_a_limit(workers, clock):
    for principal in (caller("5/minute", 1), caller("5/minute", 2), caller("5/minute", 1, tenant=2)):
        assert await burst(workers, principal, 50) == 5


async def test_cost_counts(workers, clock):
    heavy = [await workers[n % 4].admit(caller("20/minute"), cost=8) for n in range(8)]
    assert sum(v.allowed for v in heavy) <= 2


async def test_most_calls_are_decided_without_waiting(workers, clock):
    principal = caller("60000/minute")
    waited = 0
    for n in range(4000):
        if workers[0].try_admit(principal) is None:
            waited += 1
            assert (await workers[0].admit(principal)).allowed
        if n % 50 == 0:
            await asyncio.sleep(0.002)
    assert waited <= 4


async def test_an_exhausted_limit_costs_no_call_of_redis(workers, clock):
    principal = caller("5/minute")
    await burst(workers, principal, 100)
    verdict = workers[0].try_admit(principal)
    assert verdict == Verdict(False, 5, 0, 30, 60)
    assert verdict.headers() == {
        "RateLimit-Policy": '"client";q=5;w=60',
        "RateLimit": '"client";r=0;t=30',
        "Retry-After": "30",
    }


async def test_a_clock_that_is_set_back_opens_no_window_again(workers, clock):
    principal = caller("5/minute")
    assert await burst(workers, principal, 50) == 5
    clock.now -= 45
    assert await burst(workers, principal, 50) == 0


async def test_a_redis_that_lost_its_memory_does_not_give_the_limit_again(redis_url, clock):
    worker = Limiter.connect(redis_url, Settings(workers=1))
    assert await burst([worker], caller("50/minute"), 30) == 30
    client = core_redis.connect(redis_url, timeout_ms=1000)
    await client.flushall()
    assert await burst([worker], caller("50/minute"), 100) == 20
    await worker.close()
    await client.aclose()


async def test_without_redis_each_worker_has_its_share(clock):
    refused = "redis://127.0.0.1:1/0"
    four = [Limiter.connect(refused, Settings(workers=4)) for _ in range(4)]
    assert await burst(four, caller("60/minute"), 400) == 60
    assert await burst([Limiter(None, Settings(workers=4))], caller("60/minute"), 100) == 15
    for worker in four:
        await worker.close()


class Gate:
    """Stands before the real Redis: passes bytes on, keeps silent, or refuses."""

    def __init__(self, target: str) -> None:
        self.target, self.mode, self.url = target, "open", ""
        self.writers: list[asyncio.StreamWriter] = []

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        if self.mode == "refusing":
            writer.close()
            return
        behind, ahead = await asyncio.open_unix_connection(self.target)
        self.writers.append(ahead)
        await asyncio.gather(self.pass_on(reader, ahead), self.pass_on(behind, writer))

    async def pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                if self.mode == "refusing":
                    break
                if self.mode == "open":
                    sink.write(data)
        except OSError:
            pass
        sink.close()


@pytest.fixture
async def gate(redis_url: str) -> AsyncIterator[Gate]:
    """A way to Redis that a test can block; `gate.url` leads through it."""
    found = Gate(redis_url.removeprefix("unix://"))
    server = await asyncio.start_server(found.accept, "127.0.0.1", 0)
    found.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    yield found
    for writer in found.writers:
        writer.close()
    server.close()


async def test_a_silent_redis_holds_up_no_call_and_never_the_loop(gate, clock):
    gate.mode = "silent"
    worker = Limiter.connect(gate.url, Settings(workers=4, redis_timeout_ms=50))
    turns = 0

    async def watch() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0.002)

    watcher = asyncio.create_task(watch())
    before = time.monotonic()
    verdicts = await asyncio.gather(*(worker.admit(caller("60/minute")) for _ in range(200)))
    # far below the second after which the connection itself would give up
    assert time.monotonic() - before < 0.7
    assert turns > 8
    assert sum(verdict.allowed for verdict in verdicts) == 15
    assert all(worker.try_admit(caller("60/minute")) is not None for _ in range(50))
    watcher.cancel()
    await worker.close()


@pytest.mark.parametrize("how", ["silent", "refusing"])
async def test_a_redis_that_goes_and_comes_back_is_used_again(gate, clock, monkeypatch, how):
    monkeypatch.setattr(leases, "_RETRY_AFTER_FAILURE_S", 0.05)
    worker = Limiter.connect(gate.url, Settings(workers=4))
    assert await burst([worker], caller("60/minute"), 100) == 60
    gate.mode = how
    clock.now += 60
    assert await burst([worker], caller("60/minute"), 100) == 15
    gate.mode = "open"
    clock.now += 60
    assert (await worker.admit(caller("60/minute"))).allowed
    await asyncio.sleep(0.2)
    worker.try_admit(caller("60/minute"))
    await asyncio.sleep(0.2)
    assert await burst([worker], caller("60/minute"), 100) == 58
    await worker.close()


@pytest.mark.parametrize("text", ["", "many", "0/minute", "5/fortnight", "1" + "0" * 30 + "/minute", "5/900 year", "-1/minute"])
def test_a_limit_that_makes_no_sense_is_refused(text):
    with pytest.raises(ValueError):
        parse_limit(text)


async def test_a_client_with_an_unreadable_limit_gets_the_default(clock):
    worker = Limiter(None, Settings(workers=1, default_rate_limit="3/minute"))
    assert await burst([worker], caller("broken"), 10) == 3


@hypothesis_settings(max_examples=60, deadline=None)
@given(steps=st.lists(st.tuples(st.floats(0, 40), st.integers(1, 3)), max_size=60), amount=st.integers(1, 12))
def test_alone_a_worker_never_admits_more_than_its_share_in_a_window(steps, amount):
    moment = SimpleNamespace(now=1_800_000_000.0)
    real, leases.time = leases.time, SimpleNamespace(time=lambda: moment.now, monotonic=time.monotonic)
    try:
        worker = Limiter(None, Settings(workers=1))
        used: dict[int, int] = {}
        for wait, cost in steps:
            moment.now += wait
            verdict = worker.try_admit(caller(f"{amount}/minute"), cost)
            assert verdict is not None
            window = int(moment.now // 60)
            used[window] = used.get(window, 0) + (cost if verdict.allowed else 0)
            assert 1 <= verdict.reset_s <= 60
            assert verdict.remaining >= 0
        assert all(value <= amount for value in used.values())
    finally:
        leases.time = real


async def test_a_route_over_its_limit_answers_429_with_when_to_come_back(access, make, token):
    client = await make(rate_limit="3/hour")
    headers = {"Authorization": f"Bearer {await token(client)}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(build_app(access)), base_url="http://morsel.test") as http:
        answers = [await http.get("/v1/catalogue", headers=headers) for _ in range(6)]
    assert [a.status_code for a in answers][:2] == [200, 200]
    assert sum(a.status_code == 200 for a in answers) <= 3
    last = answers[-1]
    assert last.status_code == 429
    assert last.headers["content-type"] == "application/problem+json"
    assert last.json()["code"] == "rate_limited"
    assert 1 <= int(last.headers["retry-after"]) <= 3600
    assert last.headers["ratelimit"].startswith('"client";r=0;t=')
