"""Popular lists of a tenant: over all, by category, by country and by segment, for the rungs below the models."""

from app.core import changes, clock
from app.core.db import Database
from app.core.logging import log
from app.ml.popularity import store

EVERYONE = ""
"""Segment of the list over all."""
LEAST_PEOPLE = 5
"""People whose events the shop itself told that a list of a country or segment needs: fewer say little of it, and much of each of them."""
MOST_LISTS = 1_000
"""Lists of categories, of countries, and of segments, at most; those with the most weight, and the most people."""
KIND_WEIGHTS = [0.0, 0.0, 0.1, 0.15, 0.3, 0.5, 0.6, 1.0]


async def refresh_popular(
    db: Database,
    tenant: int,
    *,
    half_life_days: float = 14.0,
    window_days: int = 180,
    most: int = 500,
    least_people: int = LEAST_PEOPLE,
    most_lists: int = MOST_LISTS,
    default_consent: bool = True,
) -> int:
    """Compute the popular lists from the events and store them; return how many there are.

    Segments are '' (everyone), `category:<category>`, `country:<country>` and `segment:<name>` of published segments. Only groups with an
    available item stand in a list; without events the newest come first. Events of public keys weigh nothing: they only order what weighs
    the same, and their orders do not even that. A country, or segment, has a list from `least_people` people on, and of categories, of
    countries and of segments at most `most_lists` have one. Events that ended more than a day ago are counted as of their end.
    """
    async with db.begin() as connection:
        now = clock.now()
        count = await store.refresh(
            connection,
            tenant,
            await store.moment(connection, tenant, now),
            told=now,
            weights=KIND_WEIGHTS,
            half_life_days=half_life_days,
            window_days=window_days,
            most=most,
            least_people=least_people,
            most_lists=most_lists,
            default_consent=int(default_consent),
        )
        await changes.bump(connection, tenant, "popular")
    log.info("popular.refreshed", tenant=tenant, lists=count)
    return count
