"""The paths that are measured beside each other, in interleaved rounds, and the same at a kept rate."""

import contextlib
import http.client
import json
import time
import urllib.parse
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis

from app.core.db import Database
from benchmarks.serving import pacing, wrk
from benchmarks.serving.figures import middle, skip, spread, tell
from benchmarks.serving.litserver import BODY, litserve
from benchmarks.serving.processes import NotStarted, Running, morsel, uvicorn
from benchmarks.serving.setup import Shop
from benchmarks.serving.wrk import Target

BARE, NAIVE, CACHED, LITSERVE = "bare", "naive", "json_cached", "litserve"
SMALL = (BARE, NAIVE, CACHED, "json_pinned", "json_pinned_any", "html_cached", "json_live", LITSERVE)
LARGE = ("json_live_100k",)
ALL = (*SMALL, *LARGE)
SHARE_OF_PEAK = 0.7
# bare CPU over ours that is wanted, by path and connections
RATIOS = {
    (CACHED, 32): 0.50,
    (CACHED, 128): 0.65,
    ("json_pinned", 32): 0.75,
    ("html_cached", 32): 0.40,
    ("json_live", 32): 0.30,
}
AGAINST = {NAIVE: 8.0, LITSERVE: 10.0}
_JSON = "/v1/recommendations?placement=email-grid&user_id=p"
_HTML = "/v1/snippets/email-grid?user_id=p"
_LIVE = "/v1/recommendations?placement=live&user_id=p"


@dataclass(frozen=True)
class Given:
    """How long and how hard to measure, and a folder for scripts."""

    rounds: int
    seconds: int
    connections: Sequence[int]
    work: Path


class Served:
    """Morsel over one shop: its server, a token, and its Redis."""

    def __init__(self, shop: Shop, server: Running) -> None:
        self.shop = shop
        self.server = server
        self.cache = Redis.from_url(shop.urls.redis_url)
        self.token = self._token()
        self._await_states()

    def _token(self) -> str:
        """Get an access token as a client would."""
        form = {"grant_type": "client_credentials", "client_id": self.shop.client_id, "client_secret": self.shop.client_secret}
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        connection.request("POST", "/oauth/token", urllib.parse.urlencode(form), {"Content-Type": "application/x-www-form-urlencoded"})
        return str(json.load(connection.getresponse())["access_token"])

    def _await_states(self, seconds: float = 300) -> None:
        """Wait until the worker has brought every state to Redis, which begins empty."""
        end = time.monotonic() + seconds
        while b'"redis_trusted":true' not in self.ask(f"{_LIVE}1&explain=1").replace(b" ", b""):
            if time.monotonic() > end:
                raise RuntimeError("the states did not reach Redis")
            time.sleep(0.2)

    def ask(self, path: str) -> bytes:
        """Return the body of one answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        connection.request("GET", path, headers={"Authorization": f"Bearer {self.token}"})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {body[:500]!r}")
        return body

    def warm(self, path: str, work: Path) -> None:
        """Ask once for every person, so that lists, prepared items and cards are there."""
        target = Target("warm", self.server, path, self.shop.people, self.token)
        while target.sequence < self.shop.people:
            wrk.measure(target, 64, 2, work)

    def forget_lists(self) -> None:
        """Remove the lists of the model that scores live, so that each person must be scored again."""
        keys = list(self.cache.scan_iter("m:*:c:als:*", count=5000))
        for first in range(0, len(keys), 5000):
            self.cache.unlink(*keys[first : first + 5000])

    def target(self, name: str, path: str, *, tail: str = "", people: int = 0, once: bool = False) -> Target:
        """Return a target on this server."""
        return Target(name, self.server, path, people or self.shop.people, self.token, tail, once=once)


class Bench:
    """Starts what the chosen paths need, once, and measures them."""

    def __init__(self, stack: contextlib.ExitStack, given: Given, chosen: Collection[str]) -> None:
        self._stack = stack
        self._given = given
        self._chosen = chosen
        self.targets: dict[str, Target] = {}
        self._served: dict[str, Served] = {}

    def add_small(self, shop: Shop) -> None:
        """Start everything that stands over the shop of usual size."""
        served = self._morsel(shop, SMALL)
        wanted = [name for name in SMALL if name in self._chosen]
        first = served.ask(f"{_JSON}1")
        source = json.loads(first)["source"]
        if source not in ("live", "cached"):
            raise RuntimeError(f"the shop does not answer from a person's own rungs: {source}")
        if {CACHED, "json_pinned", "json_pinned_any", "html_cached", NAIVE} & set(wanted):
            served.warm(_JSON, self._given.work)
        for name, path in (("html_cached", _HTML), ("json_live", _LIVE)):
            if name in wanted:
                served.warm(path, self._given.work)
        makers = {
            BARE: lambda: self._bare(len(first)),
            NAIVE: lambda: self._naive(served, first),
            CACHED: lambda: served.target(CACHED, _JSON),
            "json_pinned": lambda: served.target("json_pinned", _JSON, tail="&send_id=s1", people=200),
            "json_pinned_any": lambda: served.target("json_pinned_any", _JSON, tail="&send_id=s2"),
            "html_cached": lambda: served.target("html_cached", _HTML),
            "json_live": lambda: served.target("json_live", _LIVE, once=True),
        }
        for name in wanted:
            if name == LITSERVE:
                self._litserve(served)
            else:
                self.targets[name] = makers[name]()

    def add_large(self, shop: Shop) -> None:
        """Start Morsel over the shop of 100,000 items."""
        served = self._morsel(shop, LARGE)
        served.warm(_LIVE, self._given.work)
        for name in LARGE:
            if name in self._chosen:
                self.targets[name] = served.target(name, _LIVE, once=True)

    def _morsel(self, shop: Shop, names: Sequence[str]) -> Served:
        served = Served(shop, self._stack.enter_context(morsel(shop.variables())))
        self._served.update(dict.fromkeys(names, served))
        return served

    def _bare(self, size: int) -> Target:
        server = self._stack.enter_context(uvicorn("benchmarks.serving.bare:app", {"BENCH_BODY_BYTES": str(size)}, "/"))
        return Target(BARE, server, "/?user_id=p", 1_000_000)

    def _naive(self, served: Served, answer: bytes) -> Target:
        """Start the naive server, and give it the same items to answer with."""
        items = json.dumps(json.loads(answer)["items"])
        pipe = served.cache.pipeline(transaction=False)
        for person in range(served.shop.people):
            pipe.set(f"naive:p{person}", items)
        pipe.execute()
        url = served.shop.urls.redis_url
        limits = url if url.startswith("redis") else "redis+" + url
        settings = {"BENCH_PUBLIC_KEY": _public_key(served.shop), "BENCH_REDIS_URL": url, "BENCH_LIMIT_URL": limits}
        server = self._stack.enter_context(uvicorn("benchmarks.serving.naive:app", settings, "/"))
        return Target(NAIVE, server, _JSON, served.shop.people, served.token)

    def _litserve(self, served: Served) -> None:
        try:
            server = self._stack.enter_context(litserve(served.shop))
        except (NotStarted, ImportError) as error:
            skip(LITSERVE, str(error))
            return
        self.targets[LITSERVE] = Target(LITSERVE, server, "/predict", 1_000_000, body=BODY)

    def rounds(self) -> None:
        """Measure all targets in turn, as often as asked, at every number of connections."""
        for connections in self._given.connections:
            for _ in range(self._given.rounds):
                for target in self.targets.values():
                    self._prepare(target)
                    wrk.measure(target, connections, self._given.seconds, self._given.work)

    def _prepare(self, target: Target) -> None:
        if target.once:
            self._served[target.name].forget_lists()

    def report(self) -> None:
        """Tell medians, spreads, ratios to the bare server, and requests a second against the others."""
        for target in self.targets.values():
            for connections in target.samples:
                self._report(target, connections)
        for other, wanted in AGAINST.items():
            ours = self.targets.get(CACHED)
            theirs = self.targets.get(other)
            for connections in self._given.connections if ours and theirs else ():
                fast, slow = (middle([one.rps for one in each.samples[connections]]) for each in (ours, theirs))
                tell(f"{CACHED}_against_{other}_{connections}", fast, "requests/s", baseline=slow, target=wanted)

    def _report(self, target: Target, connections: int) -> None:
        samples = target.samples[connections]
        name = f"{target.name}_{connections}"
        bare = self.targets.get(BARE)
        floor = middle([one.cpu_us for one in bare.samples[connections]]) if bare and target is not bare else None
        costs = [one.cpu_us for one in samples]
        tell(f"{name}_cpu", middle(costs), "us/request", baseline=floor, target=RATIOS.get((target.name, connections)) if floor else None)
        tell(f"{name}_cpu_spread", spread(costs), "us/request")
        tell(f"{name}_rps", middle([one.rps for one in samples]), "requests/s")
        tell(f"{name}_rps_spread", spread([one.rps for one in samples]), "requests/s")
        tell(f"{name}_p50", middle([one.p50_ms for one in samples]), "ms")
        tell(f"{name}_p99", middle([one.p99_ms for one in samples]), "ms")
        tell(f"{name}_over_300_ms_at_full_load", sum(one.late for one in samples), "answers")
        tell(f"{name}_bad", sum(one.bad for one in samples), "answers", most=0)

    def paced(self) -> None:
        """Ask at 70 % of each path's own peak, and count the answers that miss the deadline."""
        for connections in self._given.connections:
            for target in self.targets.values():
                if target.name not in (BARE, NAIVE, LITSERVE):
                    self._paced(target, connections)

    def _paced(self, target: Target, connections: int) -> None:
        samples = target.samples.get(connections) or [self._probe(target, connections)]
        rate = SHARE_OF_PEAK * middle([one.rps for one in samples])
        self._prepare(target)
        path = target.path.replace("placement=live&", "placement=live-hurried&")
        seconds = max(2.0, min(2.0 * self._given.seconds, 0.95 * target.people / rate if target.once else 60.0))
        plan = pacing.Plan(
            target.server.port, path, target.tail, target.token, target.people, target.sequence, connections, rate, seconds
        )  # fmt: skip
        before = target.server.cpu()
        seen = pacing.drive(plan)
        used = target.server.cpu() - before
        target.sequence += seen.sent
        name = f"{target.name}_{connections}_at_70_percent"
        tell(f"{name}_rate", seen.sent / seconds, "requests/s", baseline=rate / SHARE_OF_PEAK)
        tell(f"{name}_missed_deadline", seen.missed, "answers", most=0)
        tell(f"{name}_bad", seen.bad, "answers", most=0)
        tell(f"{name}_cpu", used / max(1, seen.sent) * 1e6, "us/request")
        tell(f"{name}_p50", seen.p50_ms, "ms")
        tell(f"{name}_p99", seen.p99_ms, "ms")
        tell(f"{name}_longest", seen.longest_ms, "ms")
        tell(f"{name}_client_cpu", seen.client_cpu_us, "us/request")

    def _probe(self, target: Target, connections: int) -> Any:
        """Find the peak of a path that the rounds did not measure."""
        self._prepare(target)
        return wrk.measure(target, connections, self._given.seconds, self._given.work)


def _public_key(shop: Shop) -> str:
    """Return the PEM of the key that signs tokens."""
    import asyncio

    async def read() -> str:
        db = Database(shop.urls.database_url)
        rows = await db.rows("select public_pem from signing_key where purpose = 'token' order by active_from desc limit 1")
        await db.close()
        return str(rows[0][0])

    return asyncio.run(read())
