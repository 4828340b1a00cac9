"""What the worker does about people: apply new events, deliver the outbox, erase, keep Redis whole."""

from functools import partial

from app.core import redis
from app.core.jobs import Job, Shared, each
from app.core.outage import is_away
from app.data import outbox
from app.data.online.publisher import Publisher
from app.data.people.states import Applier, deliver, keep_whole
from app.data.privacy import erasing

# Seconds between two turns of each job that found nothing to do.
APPLY_S, OUTBOX_S, TRAITS_S, ERASE_S, WHOLE_S = 0.2, 0.1, 0.5, 0.5, 1.0
_BULK = 5_000


class _People:
    """States of all tenants: applied, delivered, kept whole in Redis."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._publisher = Publisher(redis.Nodes(shared.urls.redis_url, timeout_ms=2000), shared.settings.state_ttl_days)
        self._appliers: dict[int, Applier] = {}
        shared.closing.append(self._publisher.nodes.aclose)

    async def apply(self) -> bool:
        """Apply new events of all tenants."""
        return any(await each(await self._shared.tenants(), self._apply))

    async def _apply(self, tenant: int) -> int:
        shared = self._shared
        applier = self._appliers.setdefault(tenant, Applier(shared.db, shared.settings, self._publisher, tenant))
        try:
            count = await applier.apply()
        except Exception as error:
            if is_away(error):
                applier.forget()
            raise
        if count >= _BULK:
            shared.bulk.set()
        return count

    async def deliver(self) -> bool:
        """Deliver the outbox of all tenants."""
        work = partial(deliver, self._shared.db, self._shared.settings, self._publisher)
        return any(await each(await self._shared.tenants(), work))

    async def deliver_traits(self) -> bool:
        """Bring traits that files and the API told into states, of all tenants; a million of them keep no consent waiting."""
        work = partial(deliver, self._shared.db, self._shared.settings, self._publisher, kinds=outbox.PATIENT)
        return any(await each(await self._shared.tenants(), work))

    async def erase(self) -> bool:
        """Take erased people of all tenants out of Redis."""
        return any(await each(await self._shared.tenants(), partial(erasing.deliver, self._shared.db, self._publisher)))

    async def keep_whole(self) -> bool:
        """See to it that Redis holds every state."""
        # on a database that was restored, states must be computed anew before Redis may be trusted
        ready = [tenant for tenant, applier in self._appliers.items() if applier.ready]
        await each(ready, partial(keep_whole, self._shared.db, self._shared.settings, self._publisher))
        return False


def jobs(shared: Shared) -> list[Job]:
    """Return what the worker does about people."""
    people = _People(shared)
    return [
        Job("apply", people.apply, APPLY_S),
        Job("outbox", people.deliver, OUTBOX_S),
        Job("traits", people.deliver_traits, TRAITS_S),
        Job("erase", people.erase, ERASE_S),
        Job("whole", people.keep_whole, WHOLE_S),
    ]
