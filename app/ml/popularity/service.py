"""Popular lists of a tenant: over all, by category and by country, for the rungs below the models."""

from app.core import changes, clock
from app.core.db import Database
from app.core.logging import log
from app.ml.popularity import store

EVERYONE = ""
"""Segment of the list over all."""
KIND_WEIGHTS = [0.0, 0.0, 0.1, 0.15, 0.3, 0.5, 0.6, 1.0]


async def refresh_popular(
    db: Database, tenant: int, *, half_life_days: float = 14.0, window_days: int = 180, most: int = 500, default_consent: bool = True
) -> int:
    """Compute the popular lists from the events and store them; return how many there are.

    Segments are '' (everyone), `category:<category>` and `country:<country>`. Only groups with an available item stand
    in a list; without events the newest come first.
    """
    async with db.begin() as connection:
        count = await store.refresh(
            connection,
            tenant,
            clock.now(),
            weights=KIND_WEIGHTS,
            half_life_days=half_life_days,
            window_days=window_days,
            most=most,
            default_consent=int(default_consent),
        )
        await changes.bump(connection, tenant, "popular")
    log.info("popular.refreshed", tenant=tenant, lists=count)
    return count
