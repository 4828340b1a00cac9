"""`make bench-serving`: what a request costs, beside a bare server and a naive composition, in one interleaved run.

CPU microseconds of the server process a request (user + system, from /proc) are compared, since wall time on shared cores
is noise. wrk drives; every request names another person unless the path says otherwise.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from redis import Redis

from app.commands.running import free_port
from app.core.embedded import Urls, services
from app.core.settings import Settings
from benchmarks.serving import setup
from benchmarks.serving.setup import Shop

TICKS = os.sysconf("SC_CLK_TCK")
LUA = """
local n = {first}
request = function()
  n = n + 1
  return wrk.format("GET", "{path}" .. (n % {people}){tail})
end
"""


@dataclass
class Target:
    """One thing to measure: where it listens, its process, the path up to the person's number, what follows it."""

    name: str
    port: int
    pid: int
    path: str
    people: int
    token: str
    tail: str = ""
    before: str = ""
    sequence: int = 0
    samples: dict[int, list[dict[str, float]]] = field(default_factory=lambda: defaultdict(list))


def cpu(pid: int) -> float:
    """Return the seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def start(command: list[str], environment: dict[str, str], port: int, path: str) -> subprocess.Popen[bytes]:
    """Start a server and wait until it answers."""
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "uvicorn", *command, "--port", str(port), *FLAGS], env={**os.environ, **environment})
    while time.monotonic() - began < 90:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=1)
            return process
        except urllib.error.HTTPError:
            return process
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"{command} did not start")


FLAGS = ["--no-access-log", "--no-proxy-headers", "--log-level", "warning", "--loop", "uvloop", "--http", "httptools", "--backlog", "4096"]


def measure(target: Target, connections: int, seconds: int, work: Path) -> None:
    """Run wrk once and keep what it saw."""
    script = work / "path.lua"
    tail = f' .. "{target.tail}"' if target.tail else ""
    script.write_text(LUA.format(first=target.sequence, path=target.path, people=target.people, tail=tail))
    headers = ["-H", f"Authorization: Bearer {target.token}"]
    before = cpu(target.pid)
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "10s", *headers, "-s", str(script)]
    done = subprocess.run([*command, f"http://127.0.0.1:{target.port}"], capture_output=True, text=True, check=True).stdout
    used = cpu(target.pid) - before
    requests = int(re.search(r"(\d+) requests in", done)[1])
    target.sequence += requests
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", done)
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", done)
    target.samples[connections].append(
        {
            "cpu_us": used / requests * 1e6,
            "rps": float(re.search(r"Requests/sec:\s+([\d.]+)", done)[1]),
            "p50_ms": _ms(re.search(r"50%\s+([\d.]+\w+)", done)[1]),
            "p99_ms": _ms(re.search(r"99%\s+([\d.]+\w+)", done)[1]),
            "bad": float(bad[1] if bad else 0) + sum(map(float, errors.groups() if errors else ())),
        }
    )


def _ms(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(\w+)", text).groups()
    return float(number) * {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}[unit]


def told(
    name: str, value: float, unit: str, baseline: float | None = None, ratio: float | None = None, target: float | None = None
) -> None:
    """Print one figure as a line of JSON."""
    ok = None if target is None or ratio is None else ratio >= target
    shown = {"name": name, "value": round(value, 3), "unit": unit, "baseline": baseline and round(baseline, 3)}
    print(json.dumps({**shown, "ratio": ratio and round(ratio, 3), "target": target, "ok": ok}), flush=True)


def token_of(port: int, shop: Shop) -> str:
    """Get an access token as a client would."""
    data = f"grant_type=client_credentials&client_id={shop.client_id}&client_secret={shop.client_secret}".encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/oauth/token", data=data) as answer:
        return str(json.load(answer)["access_token"])


def warm(port: int, token: str, people: int, work: Path) -> int:
    """Ask once for every person, so that lists lie in Redis; return the bytes of an answer."""
    target = Target("warm", port, os.getpid(), "/v1/recommendations?placement=email-grid&user_id=p", people, token)
    while target.sequence < people:
        measure(target, 64, 5, work)
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/recommendations?placement=email-grid&user_id=p1", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request) as answer:
        body = answer.read()
    assert json.loads(body)["source"] in ("live", "cached"), body
    return len(body)


def public_key(urls: Urls) -> str:
    """Return the PEM of the key that signs tokens."""
    import asyncio

    from app.core.db import Database

    async def read() -> str:
        db = Database(urls.database_url)
        rows = await db.rows("select public_pem from signing_key where purpose = 'token' order by active_from desc limit 1")
        await db.close()
        return str(rows[0][0])

    return asyncio.run(read())


def main() -> None:
    """Set up, measure in interleaved rounds, print."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--seconds", type=int, default=3)
    arguments.add_argument("--connections", default="32,128,1000")
    arguments.add_argument("--items", type=int, default=10_000)
    arguments.add_argument("--people", type=int, default=10_000)
    arguments.add_argument("--keep", type=Path, default=None, help="Folder to build the shop in and to find it again.")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="morsel-bench-") as temporary:
        base = given.keep or Path(temporary)
        settings = Settings(data_dir=base / "data", model_dir=base / "models", log_level="error")
        with services(settings) as urls:
            run(given, settings, urls, Path(temporary), base / "shop.json")


def run(given: argparse.Namespace, settings: Settings, urls: Urls, work: Path, kept: Path) -> None:
    """Measure every path over one shop."""
    if kept.exists():
        shop = Shop(**json.loads(kept.read_text()))
        prepare_again(settings, urls)
    else:
        shop = setup.prepare(settings, urls, given.items, given.people)
        kept.write_text(json.dumps(shop.__dict__))
    environment = setup.variables(settings, urls)
    ports = [free_port() for _ in range(3)]
    began = time.monotonic()
    processes = [start(["app.main:create_app", "--factory"], environment, ports[0], "/readyz")]
    told("start_to_ready", time.monotonic() - began, "s")
    try:
        token = token_of(ports[0], shop)
        size = warm(ports[0], token, shop.people, work)
        cache = fill_naive(urls, ports[0], token, shop.people)
        processes.append(start(["benchmarks.serving.bare:app"], {"BENCH_BODY_BYTES": str(size)}, ports[1], "/"))
        limits = urls.redis_url if urls.redis_url.startswith("redis") else "redis+" + urls.redis_url
        naive = {"BENCH_PUBLIC_KEY": public_key(urls), "BENCH_REDIS_URL": urls.redis_url, "BENCH_LIMIT_URL": limits}
        processes.append(start(["benchmarks.serving.naive:app"], naive, ports[2], "/"))
        targets = paths(ports, [process.pid for process in processes], shop, token)
        for connections in map(int, given.connections.split(",")):
            for _ in range(given.rounds):
                for target in targets:
                    if target.before == "forget":
                        forget_lists(cache)
                    measure(target, connections, given.seconds, work)
        report(targets)
        told("rss_server", int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{processes[0].pid}/status").read_text())[1]) / 1024, "MB")
    finally:
        for process in processes:
            process.terminate()
            process.wait(20)


def prepare_again(settings: Settings, urls: Urls) -> None:
    """Bring the states of a kept shop to the fresh Redis."""
    environment = {**os.environ, **setup.variables(settings, urls)}
    subprocess.run([sys.executable, "-m", "app.cli", "rebuild"], env=environment, check=True, stdout=subprocess.DEVNULL)


def paths(ports: list[int], pids: list[int], shop: Shop, token: str) -> list[Target]:
    """Return what is measured, the baseline first."""
    json_path = "/v1/recommendations?placement=email-grid&user_id=p"
    common = {"people": shop.people, "token": token}
    return [
        Target("bare", ports[1], pids[1], "/?user_id=p", **common),
        Target("json_cached", ports[0], pids[0], json_path, **common),
        Target("json_pinned", ports[0], pids[0], json_path, tail="&send_id=s1", **{**common, "people": 200}),
        Target("html_cached", ports[0], pids[0], "/v1/snippets/email-grid?user_id=p", **common),
        Target("json_live", ports[0], pids[0], "/v1/recommendations?placement=live&user_id=p", before="forget", **common),
        Target("naive", ports[2], pids[2], json_path, **common),
    ]


def fill_naive(urls: Urls, port: int, token: str, people: int) -> Redis:
    """Give the naive server the same items to answer with."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/recommendations?placement=email-grid&user_id=p1", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(request) as answer:
        items = json.dumps(json.load(answer)["items"])
    cache = Redis.from_url(urls.redis_url)
    pipe = cache.pipeline(transaction=False)
    for person in range(people):
        pipe.set(f"naive:p{person}", items)
    pipe.execute()
    return cache


def forget_lists(cache: Redis) -> None:
    """Remove the lists of the model that scores live, so that each person must be scored again."""
    keys = list(cache.scan_iter("m:*:c:als:*", count=5000))
    for first in range(0, len(keys), 5000):
        cache.unlink(*keys[first : first + 5000])


RATIOS = {
    ("json_cached", 32): 0.50,
    ("json_cached", 128): 0.65,
    ("json_pinned", 32): 0.75,
    ("html_cached", 32): 0.40,
    ("json_live", 32): 0.30,
}


def report(targets: list[Target]) -> None:
    """Print medians, spreads and ratios to the bare server."""
    bare = targets[0]
    for target in targets:
        for connections, samples in target.samples.items():
            name = f"{target.name}_{connections}"
            floor = statistics.median(one["cpu_us"] for one in bare.samples[connections])
            costs = [one["cpu_us"] for one in samples]
            cost = statistics.median(costs)
            told(f"{name}_cpu", cost, "us/request", floor, floor / cost, RATIOS.get((target.name, connections)))
            told(f"{name}_cpu_spread", max(costs) - min(costs), "us/request")
            for figure, unit in (("rps", "1/s"), ("p50_ms", "ms"), ("p99_ms", "ms")):
                told(f"{name}_{figure}", statistics.median(one[figure] for one in samples), unit)
            told(f"{name}_bad", sum(one["bad"] for one in samples), "requests")
    ours, naive = (next(one for one in targets if one.name == name) for name in ("json_cached", "naive"))
    for connections in ours.samples:
        fast = statistics.median(one["rps"] for one in ours.samples[connections])
        slow = statistics.median(one["rps"] for one in naive.samples[connections])
        told(f"against_naive_{connections}", fast, "1/s", slow, fast / slow, 8.0)


if __name__ == "__main__":
    main()
