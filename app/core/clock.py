"""The clock of training and scoring, which `MORSEL_NOW` can set to a moment of the past."""

from datetime import UTC, datetime

from app.core import settings
from app.core.settings import Settings


def now() -> datetime:
    """Return the moment that training and scoring take for the present, in UTC."""
    return held(settings.load()) or datetime.now(UTC)


def held(found: Settings) -> datetime | None:
    """Return the moment, in UTC, that the clock is held at, from which on nothing may be seen; None when it runs."""
    if found.now is None:
        return None
    return found.now.astimezone(UTC) if found.now.tzinfo else found.now.replace(tzinfo=UTC)
