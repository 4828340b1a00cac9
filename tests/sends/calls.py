"""Announcing sends over HTTP and watching them, for the tests of sends."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from app.core import ids, redis
from app.serving.model.candidates import Candidates, unpack
from tests.serving.shop import Shop

PEOPLE = [f"u{number}" for number in range(160)]


def soon(hours: float = 1.0) -> str:
    """Return a moment in the future as a request spells it."""
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


async def call(shop: Shop, method: str, path: str = "", key: str = "", body: Any = None, **more: Any) -> Any:
    """Call a route of sends; return the response. `body` goes out as JSON in ASCII, which can spell what no text can hold."""
    headers = {"X-Api-Key": key or shop.key, "Content-Type": "application/json"}
    content = None if body is None else json.dumps(body)
    return await shop.http.request(method, f"/v1/admin/sends{path}", headers=headers, content=content, **more)


async def announce(shop: Shop, user_ids: list[Any] | None = None, **body: Any) -> dict[str, Any]:
    """Announce a send and return the answer."""
    wanted = {"placement": "email-grid", "start": soon(), "duration_s": 3600, **body}
    if not wanted.get("everyone"):
        wanted["user_ids"] = PEOPLE if user_ids is None else user_ids
    answer = await call(shop, "POST", body=wanted)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def shown(shop: Shop, send: dict[str, Any]) -> dict[str, Any]:
    """Return a send as it is now."""
    answer = await call(shop, "GET", f"/{send['id']}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def warm(shop: Shop, send: dict[str, Any], seconds: float = 20, rounds: int = 1) -> dict[str, Any]:
    """Wait until a send is warm, and return it; everybody must then be accounted for."""

    async def done() -> dict[str, Any] | None:
        found = await shown(shop, send)
        return found if found["status"] == "warm" and found["progress"]["rounds"] >= rounds else None

    found = await shop.until(done, seconds)
    assert found, await shown(shop, send)
    progress = found["progress"]
    parts = ("warmed", "already_warm", "unknown", "no_consent", "no_history", "failed")
    assert progress["done"] == progress["audience"] == sum(progress[part] for part in parts)
    assert progress["finished_at"]
    return found  # type: ignore[no-any-return]


async def sources(shop: Shop, people: list[str], placement: str = "email-grid") -> dict[str, int]:
    """Ask for everybody once; return how many answers came from which rung."""
    count: dict[str, int] = {}
    for user in people:
        source = (await shop.get(placement=placement, user_id=user)).json()["source"]
        count[source] = count.get(source, 0) + 1
    return count


async def kept_list(shop: Shop, user: str, placement: str = "email-grid") -> tuple[Candidates | None, int]:
    """Return the list that Redis holds of a user, and the seconds it still lives."""
    config = shop.app.state.resources.holder.current[1].config
    rules = config.placements[placement].placement
    _, key = ids.person_keys(1, ids.person_key(1, ids.IdentityKind.USER_ID, user), rules.recommender, rules.filter.key, "")
    client = redis.connect(shop.settings.redis_url, timeout_ms=2000)
    try:
        return unpack(await client.get(key)), await client.ttl(key)
    finally:
        await client.aclose()
