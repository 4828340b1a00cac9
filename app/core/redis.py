"""Redis or Valkey: clients with short timeouts and no hidden retries."""

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff


def connect(url: str, *, timeout_ms: int = 50, connections: int = 8) -> Redis:
    """Return a client that fails after `timeout_ms` instead of trying again.

    The library's own defaults (5 s, ten retries) would hold a request for seconds when Redis is down.
    """
    return Redis.from_url(
        url,
        socket_timeout=timeout_ms / 1000,
        socket_connect_timeout=timeout_ms / 1000,
        retry=Retry(NoBackoff(), 0),
        max_connections=connections,
        protocol=2,
        decode_responses=False,
    )


async def run_id(client: Redis) -> str:
    """Return the id that this Redis process drew at its start; a restarted or swapped Redis has another."""
    info = await client.info("server")
    return str(info.get("run_id") or info.get("server_run_id") or "")
