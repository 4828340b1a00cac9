"""Writing people's state to Redis: only ever overwritten with a higher sequence, and a marker that says it is whole."""

from collections.abc import Sequence
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.core.ids import marker_key, state_key
from app.core.telemetry import ERRORS
from app.data.people.online import STATE_FORMAT, pack_pointer

# Bytes 3 to 10 hold the sequence, least byte first: compared from the last, without going through Lua's 53-bit numbers.
_NEWER = f"""
local old = redis.call('GETRANGE', KEYS[1], 0, 9)
if #old == 10 and string.byte(old, 1) == {STATE_FORMAT} then
  for i = 10, 3, -1 do
    local was, is = string.byte(old, i), string.byte(ARGV[1], i)
    if was > is then return 0 end
    if was < is then break end
  end
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
"""
_WHOLE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return 1
"""
MARKER_TTL_S = 7 * 86_400
_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Published:
    """A packed state, the key it lies under, and the keys that point to it."""

    key: bytes
    state: bytes
    others: Sequence[bytes]


class Publisher:
    """Writes states of people to one Redis; every method raises redis' RedisError or OSError when it is away."""

    def __init__(self, client: Redis, ttl_days: int) -> None:
        self.client = client
        self._ttl_s = ttl_days * 86_400

    async def up(self) -> bool:
        """Tell whether Redis answers."""
        try:
            return bool(await self.client.ping())
        except (RedisError, OSError, TimeoutError):
            return False

    async def publish(self, tenant: int, states: Sequence[Published]) -> None:
        """Write states and pointers; a state that Redis holds with a higher sequence stays."""
        try:
            for first in range(0, len(states), _AT_ONCE):
                await self._write(tenant, states[first : first + _AT_ONCE])
        except Exception as error:
            ERRORS.labels("redis", type(error).__name__).inc()
            raise

    async def _write(self, tenant: int, states: Sequence[Published]) -> None:
        script = await self.client.script_load(_NEWER)
        pipe = self.client.pipeline(transaction=False)
        for state in states:
            pipe.evalsha(script, 1, state_key(tenant, state.key), state.state, self._ttl_s)
            for other in state.others:
                pipe.set(state_key(tenant, other), pack_pointer(state.key), ex=self._ttl_s)
        await pipe.execute()

    async def marker(self, tenant: int) -> str:
        """Return the id of the Redis process for which the state was last whole; empty when there is none."""
        value = await self.client.get(marker_key(tenant))
        return value.decode() if isinstance(value, bytes) else ""

    async def begin_whole(self, tenant: int, nonce: str) -> None:
        """Mark the state as being written; a flush that happens meanwhile takes this mark away."""
        await self.client.set(marker_key(tenant), f"writing:{nonce}", ex=MARKER_TTL_S)

    async def end_whole(self, tenant: int, nonce: str, run: str) -> bool:
        """Mark the state as whole for a Redis process; False when Redis was emptied since `begin_whole`."""
        done = await self.client.eval(_WHOLE, 1, marker_key(tenant), f"writing:{nonce}", run, str(MARKER_TTL_S))
        return bool(done)

    async def distrust(self, tenant: int) -> None:
        """Take the marker away."""
        await self.client.delete(marker_key(tenant))

    async def refresh_marker(self, tenant: int) -> None:
        """Keep the marker from expiring."""
        await self.client.expire(marker_key(tenant), MARKER_TTL_S)

    async def renewal_due(self, tenant: int) -> bool:
        """Tell whether the states should be written again so that none expires; says so once in a third of their life."""
        key = f"{marker_key(tenant)}:renewed"
        return bool(await self.client.set(key, b"1", nx=True, ex=max(60, self._ttl_s // 3)))
