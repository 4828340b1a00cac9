"""On a Redis Cluster the lists lie on every node, and one node that lost its lists is noticed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core.db import Database
from app.core.settings import Settings
from tests.sends.calls import PEOPLE, announce, sources, warm
from tests.serving.redis.processes import Cluster, tell
from tests.serving.shop import running, stock


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    found = Cluster(tmp_path / "cluster")
    try:
        found.start()
        yield found
    finally:
        found.kill()


async def test_a_send_is_warm_on_all_nodes_and_again_after_one_lost_its_lists(settings: Settings, db: Database, cluster: Cluster) -> None:
    await stock(db, settings)
    async with running(settings.model_copy(update={"redis_url": cluster.url}), db, rate="1000000/minute") as shop:

        async def believed() -> bool:
            answers = [(await shop.get(placement="email-grid", user_id=user, explain="1")).json() for user in PEOPLE[:12]]
            return all(one["explain"]["redis_trusted"] for one in answers)

        assert await shop.until(believed, 20)
        send = await announce(shop)
        assert not {"redis_away", "redis_not_whole", "redis_memory"} & {one["code"] for one in send["findings"]}
        assert (await warm(shop, send))["progress"]["failed"] == 0
        assert await sources(shop, PEOPLE) == {"cached": 160}
        lists = [len(tell(node, "KEYS", "m:*:c:*")) for node in cluster.masters]
        assert sum(lists) == 160
        assert min(lists) > 20
        tell(cluster.masters[1], "FLUSHALL")
        again = await warm(shop, send, rounds=2)
        assert again["note"] == "began again: Redis lost the lists"
        # what lies on the other nodes is found current
        assert 0 < again["progress"]["warmed"] <= lists[1]
        assert await shop.until(believed, 20)
        assert await sources(shop, PEOPLE) == {"cached": 160}
