"""What the worker does about segments: judge everybody when one changed, count sizes and edges; who is due is in `people`."""

from datetime import timedelta
from functools import partial

from app.core import clock
from app.core.jobs import HOUSE_S, Job, Shared, each, house
from app.data.segments import edges, store
from app.data.segments.judging import judge_changed, keep_sizes
from app.data.segments.programs import programs

DUE_S, JUDGE_S, CLUSTERS_S, MOVES_DAYS = 0.5, 0.5, 2.0, 400
_AT_ONCE = 2_000
_OLD = ("delete from segment_move where at < :before", "delete from segment_size where at < :before")


def jobs(shared: Shared) -> list[Job]:
    """Return what the worker does about segments."""

    async def wake() -> bool:
        return any(await each(await shared.tenants(), lambda tenant: store.wake(shared.db, tenant, clock.now(), _AT_ONCE)))

    async def judge() -> bool:
        if any(await each(await shared.tenants(), partial(judge_changed, shared.db))):
            shared.bulk.set()  # what is popular in a segment goes by its people
        return False

    async def refresh() -> bool:
        await each(await shared.tenants(), partial(edges.refresh, shared.db))
        await each(await shared.tenants(), _sizes)
        return False

    async def _sizes(tenant: int) -> int:
        async with shared.db.begin() as connection:
            program, _ = await programs(shared.db).of(connection, tenant)
        await keep_sizes(shared.db, tenant, program.versions)
        return 0

    async def forget() -> None:
        for statement in _OLD:
            await shared.db.run(statement, before=clock.now() - timedelta(days=MOVES_DAYS))

    async def cluster() -> bool:
        # imported on use: a worker that stands by needs no numpy
        from app.data.segments.clusters.refreshing import refresh

        await each(await shared.tenants(), partial(refresh, shared.db))
        return False

    return [
        Job("due", wake, DUE_S),
        Job("clusters", cluster, CLUSTERS_S),
        Job("segments", judge, JUDGE_S),
        Job("segment_sizes", refresh, HOUSE_S),
        house("segment_moves", forget),
    ]
