"""People who do nothing for long stay known to serving."""

from app.core import ids
from app.core.db import Database
from app.core.redis import Nodes, connect
from app.core.settings import Settings
from app.data.online import publisher as publish
from app.data.people import states
from app.data.people.rebuild import rebuild
from tests.serving.shop import add_events, events


async def test_states_are_written_again_before_they_expire(settings: Settings, db: Database, tenant: int) -> None:
    await add_events(db, settings, events(3))
    client = connect(settings.redis_url, timeout_ms=2000)
    nodes = Nodes(settings.redis_url, timeout_ms=2000)
    publisher = publish.Publisher(nodes, settings.state_ttl_days)
    await rebuild(db, settings, publisher, tenant)
    assert await states.keep_whole(db, settings, publisher, tenant) is False
    key = ids.state_key(tenant, ids.person_key(tenant, 1, "u1"))
    await client.expire(key, 50)
    assert await states.keep_whole(db, settings, publisher, tenant) is False
    assert await client.ttl(key) <= 50, "not every look writes all states again"
    await client.delete(f"{ids.marker_key(tenant)}:renewed")
    await states.keep_whole(db, settings, publisher, tenant)
    assert await client.ttl(key) > 80_000
    await client.aclose()
    await nodes.aclose()
