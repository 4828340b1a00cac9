"""What the worker does about models: files of old ones are deleted, where the operator says how many to keep."""

from app.core.jobs import Job, Shared, house


def jobs(shared: Shared) -> list[Job]:
    """Return what keeps house among models."""

    async def prune_old() -> None:
        if not shared.settings.keep_models:
            return
        # imported on use: a worker that stands by needs no models
        from app.ml.registry.pruning import prune

        for tenant in await shared.tenants():
            await prune(shared.db, shared.settings.model_dir, tenant, shared.settings.keep_models)

    return [house("models", prune_old)]
