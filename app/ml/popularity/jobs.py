"""What the worker does about popular lists: made anew from time to time, and after many events at once."""

from app.core.jobs import Job, Shared

POPULAR_S = 600.0


def jobs(shared: Shared) -> list[Job]:
    """Return what keeps popular lists fresh."""

    async def step() -> bool:
        shared.bulk.clear()
        # imported on use: a worker that stands by needs no numpy
        from app.ml.popularity.service import refresh_popular

        for tenant in await shared.tenants():
            await refresh_popular(shared.db, tenant, default_consent=shared.settings.default_consent)
        return False

    return [Job("popular", step, POPULAR_S, shared.bulk)]
