"""A burst is answered, whatever its size: no error, no refused connection, and memory stays bounded."""

import asyncio
import json
import re
import subprocess
from collections import Counter
from pathlib import Path

import psutil
import pytest

from app.core.db import Database
from app.core.ids import DEFAULT_TENANT
from app.core.settings import Settings
from app.decisions.placements import service as placements
from app.decisions.placements.domain import Filter, Placement
from app.ml.registry import service as registry
from app.ml.training.service import Options, train
from app.plugins import RECOMMENDERS
from tests.conftest import needs
from tests.e2e.serving import served
from tests.serving.shop import CATEGORIES, a_key, stock

PERSONAL = {"live", "cached", "stale"}
_MB = 1_000_000


@pytest.fixture
async def stocked(settings: Settings, db: Database) -> Settings:
    await stock(db, settings)
    await placements.publish(db, DEFAULT_TENANT, "fresh", Placement(count=3, filter=Filter(exclude_bought=True)))
    return settings


def memory() -> int:
    """Return the bytes that the server processes below this one hold."""
    total = 0
    for process in psutil.Process().children(recursive=True):
        try:
            if "spawn_main" in " ".join(process.cmdline()):
                total += process.memory_info().rss
        except psutil.Error:
            continue
    return total


async def ask(host: str, port: int, target: str, key: str) -> tuple[int, dict[str, object]]:
    """Open a connection, ask once, and close it."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"GET {target} HTTP/1.1\r\nHost: test\r\nX-Api-Key: {key}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        assert length is not None
        body = await reader.readexactly(int(length[1]))
    finally:
        writer.close()
    return int(head.split()[1]), json.loads(body)


async def test_three_thousand_connections_opened_at_once_all_get_items(stocked: Settings, db: Database) -> None:
    key = await a_key(db, stocked, rate="1000000/minute")
    with served(stocked, workers=2) as address:
        host, port = address.removeprefix("http://").split(":")
        before = memory()
        targets = [f"/v1/recommendations?placement=fresh&user_id=u{n % 160}&category={CATEGORIES[n % 4]}" for n in range(3000)]
        answers = await asyncio.gather(*(ask(host, int(port), target, key) for target in targets))
        assert Counter(status for status, _ in answers) == {200: 3000}
        assert {document["item_count"] for _, document in answers} == {3}
        assert memory() - before < 300 * _MB


@needs("wrk")
@pytest.mark.system
async def test_far_more_than_can_be_scored_for_five_seconds_is_answered_with_200(stocked: Settings, db: Database, tmp_path: Path) -> None:
    key = await a_key(db, stocked, rate="100000000/minute")
    script = tmp_path / "distinct.lua"
    script.write_text(
        "local n = 0\nlocal c = {'" + "','".join(CATEGORIES) + "'}\n"
        "request = function() n = n + 1 return wrk.format('GET', '/v1/recommendations?placement=fresh&user_id=u' .. (n % 160)"
        " .. '&limit=' .. (1 + n % 3) .. '&exclude=i' .. n .. '&category=' .. c[1 + math.floor(n / 160) % 4]) end"
    )
    with served(stocked) as address:
        command = ["wrk", "-t1", "-c1000", "-d5s", "--timeout", "10s", "-H", f"X-Api-Key: {key}", "-s", str(script), address]
        warm = await asyncio.to_thread(subprocess.run, [*command[:3], "-d1s", *command[4:]], capture_output=True, text=True, check=True)
        before = memory()
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
        assert int(re.search(r"(\d+) requests in", done.stdout)[1]) > 1000, warm.stdout + done.stdout
        assert "Non-2xx" not in done.stdout
        assert "Socket errors" not in done.stdout, done.stdout
        assert memory() - before < 200 * _MB
        host, port = address.removeprefix("http://").split(":")
        assert (await ask(host, int(port), "/livez", key))[0] == 200


async def test_a_promotion_while_lists_are_cached_leaves_every_answer_personal(stocked: Settings, db: Database) -> None:
    key = await a_key(db, stocked, rate="100000000/minute")
    with served(stocked, environment={"MORSEL_REFRESH_MS": "200"}) as address:
        host, port = address.removeprefix("http://").split(":")

        async def everyone() -> tuple[Counter[object], Counter[object]]:
            asked = [ask(host, int(port), f"/v1/recommendations?placement=email-hero&user_id=u{n}", key) for n in range(160)]
            answers = [document for _, document in await asyncio.gather(*asked)]
            return Counter(one["source"] for one in answers), Counter(one["model_version"] for one in answers)

        async with asyncio.timeout(30):
            while set((await everyone())[0]) != {"cached"}:  # noqa: ASYNC110 - what is waited for is seen from outside only
                await asyncio.sleep(0.1)
        (trained,) = await train(db, stocked, DEFAULT_TENANT, ["personal"], RECOMMENDERS, Options(promote=True, seed=5))
        version = trained.manifest.version
        assert (await registry.live(db, DEFAULT_TENANT))["personal"].version == version
        seen: Counter[object] = Counter()
        versions: Counter[object] = Counter()
        async with asyncio.timeout(30):
            while versions[version] < 160:
                sources, versions = await everyone()
                seen += sources
        assert set(seen) <= PERSONAL, seen
