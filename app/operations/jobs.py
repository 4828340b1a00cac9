"""What the worker does for those who look: sums up, and forgets."""

from app.access.accounts import store as accounts
from app.core.jobs import Job, Shared, each, house
from app.operations import rollups

_EVERY_S = 20.0


def jobs(shared: Shared) -> list[Job]:
    """Return the jobs of this room."""

    async def roll_up() -> bool:
        more = await each(await shared.tenants(), lambda tenant: rollups.roll_up(shared.db, tenant))
        return any(more)

    async def forget() -> None:
        for tenant in await shared.tenants():
            await rollups.forget_old(shared.db, tenant)
        async with shared.db.begin() as connection:
            await accounts.forget_old(connection)

    return [Job("roll-ups", roll_up, _EVERY_S), house("old roll-ups and sessions", forget)]
